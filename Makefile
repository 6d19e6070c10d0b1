# make demo          the whole stack on this machine, ready to sign in
# make test          every test, against real servers
# make test-compose  the container, where an engine runs
# make check         lint, types, layers, the Dockerfile and the compose files
# make env           the secrets for docker compose into .env; make secrets: into files
# make compile       what `pip install .` gives, unpacked; make test-compiled tests it
# make bench         side by side with its peers; make soak: ten minutes of faults under load
# make lock          pin the dependencies anew

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
PROCESSES ?= 3
# An editable installation is plain Python anyway: without this, pip would fetch the compiler
PLAIN := HATCH_BUILD_NO_HOOKS=true

.PHONY: demo test test-compose test-compiled check check-containers env secrets compile bench soak lock clean

demo: $(VENV)/runtime
	@exec $(BIN)/postgate dev --port $(PORT)

test: $(VENV)/dev
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile $(TESTS)

test-compose: $(VENV)/dev
	$(BIN)/python -m pytest -m compose tests/compose

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory check-containers

# Some words for secrets: only the files are looked at
COMPOSE := POSTGATE_JWT_SECRET=x POSTGRES_PASSWORD=x AUTHENTICATOR_PASSWORD=x GATEWAY_PASSWORD=x \
  docker compose --env-file .env.example --profile demo --profile mail --profile scale

check-containers:
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile; \
	else echo "Skipped: hadolint is not there for this machine, the Dockerfile is not checked."; fi
	@if docker compose version >/dev/null 2>&1; then \
	  $(COMPOSE) config --quiet && $(COMPOSE) -f docker-compose.yml -f docker/secrets.yml config --quiet; \
	else echo "Skipped: docker compose is not there, the compose files are not checked."; fi

env:
	@sh docker/fill.sh

secrets:
	@sh docker/fill.sh --files

# The wheel that `pip install .` builds, unpacked: PYTHONPATH=build/compiled runs it.
compile: $(VENV)/dev
	rm -rf build/compiled build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m zipfile --extract build/wheel/postgate-*.whl build/compiled

test-compiled: compile
	PYTHONPATH=build/compiled $(BIN)/pytest -n $(PROCESSES) --dist loadfile --compiled tests/core tests/proxy

bench: $(VENV)/dev compile
	$(BIN)/python -m bench

soak: $(VENV)/dev
	$(BIN)/python -m bench.soak --minutes 10

lock: $(VENV)/dev
	$(BIN)/python -m pip install --quiet 'pip-tools>=7.5,<8'
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --generate-hashes --allow-unsafe \
	  --extra mail --extra valkey --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --generate-hashes --allow-unsafe \
	  --extra mail --extra mailbox --extra valkey --constraint requirements.lock --output-file requirements-demo.lock pyproject.toml
	$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --generate-hashes --allow-unsafe --extra dev --extra mail --extra mailbox --extra otel --extra postgres --extra valkey \
	  --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --generate-hashes --allow-unsafe \
	  --no-annotate --constraint requirements.lock --build-deps-for=wheel --only-build-deps --output-file docker/requirements-build.lock pyproject.toml

clean:
	rm -rf $(VENV) .postgate build dist

$(BIN)/python:
	@echo "Making the virtual environment ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Postgate needs Python 3.11 or later; name one with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "This Python cannot make virtual environments: install its venv package (Debian: python3-venv)."; exit 1; }

# Offline once installed: the stamps are only made anew when a lock changes.
$(VENV)/runtime: requirements-demo.lock pyproject.toml | $(BIN)/python
	@echo "Installing the gateway ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-demo.lock
	@$(PLAIN) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing the gateway and what its tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PLAIN) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/runtime
