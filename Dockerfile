# The gateway, and `postgate migrate` and its other verbs. docs/containers.md says how to run it.

FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CACHE_DIR=/var/cache/pip
WORKDIR /build

# For the hot path, which is compiled; the image itself has no compiler
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*

# Locks before sources: a change of the code installs nothing anew
COPY requirements.lock docker/requirements-build.lock ./
# The cache is a mount, which stays out of the image
# hadolint ignore=DL3042
RUN --mount=type=cache,target=/var/cache/pip \
    python -m venv --without-pip /opt/postgate \
 && python -m venv --without-pip /opt/build \
 && pip --python /opt/postgate/bin/python install --only-binary :all: --require-hashes -r requirements.lock \
 && pip --python /opt/build/bin/python install --only-binary :all: --require-hashes -r requirements-build.lock

COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY app app
RUN pip --python /opt/build/bin/python wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
 && pip --python /opt/postgate/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl


FROM python:3.13-slim

RUN groupadd --system --gid 10001 postgate \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin postgate

COPY --from=build /opt/postgate /opt/postgate
COPY docker/healthcheck.py /opt/postgate/

ENV PATH=/opt/postgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POSTGATE_HOST=0.0.0.0

# As a number: Kubernetes cannot tell from a name that it is not root
USER 10001:10001
EXPOSE 8000

HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/postgate/healthcheck.py"]

# No shell in between: the gateway is process 1 and gets the SIGTERM that makes it drain
ENTRYPOINT ["postgate"]
CMD ["serve"]
