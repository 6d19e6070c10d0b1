#!/bin/sh
# Make the secrets that docker-compose.yml needs. Existing values are kept.
#   sh docker/fill.sh           into .env, which is copied from .env.example if missing
#   sh docker/fill.sh --files   into files of the folder secrets, which .env then names
set -eu
cd "${PROJECT_FOLDER:-$(dirname "$0")/..}"
umask 077

# Hex is also valid base64 for the JWT secret, and needs no escapes in a URL
random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# An ES256 key as a JWK set in base64, in the alphabet of URLs and with dots for its padding (which gateway and
# PostgREST read), and its public half. The DER of such a key has each number at its place (RFC 5915)
key_pair() {
  if ! command -v openssl > /dev/null; then
    echo "No openssl here: gateway and PostgREST get a shared secret. docs/keys.md moves to a key pair." >&2
    return
  fi
  der=$(mktemp)
  openssl ecparam -name prime256v1 -genkey -noout -outform DER > "$der" 2> /dev/null
  number() { dd if="$der" bs=1 skip="$1" count=32 2> /dev/null | base64 | tr '+/' '-_' | tr -d '=\n'; }
  set_of() { printf '{"keys":[{%s}]}' "$1" | base64 | tr '+/=' '-_.' | tr -d '\n'; }
  id=$(date -u +%Y-%m-%dT%H:%M:%SZ)-$(od -An -tx1 -N3 /dev/urandom | tr -d ' \n')
  public="\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"$(number 57)\",\"y\":\"$(number 89)\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"$id\""
  private_set=$(set_of "$public,\"d\":\"$(number 7)\"")
  public_set=$(set_of "$public")
  rm -f "$der"
}

# docker-compose.yml requires a value. It is random, in case docker/secrets.yml is not used
unused() { echo "unused-$(random)"; }

begin() { [ -f .env ] || cp .env.example .env; }

# If a name has several lines, the last one counts
value() { sed -n "s/^$1=//p" .env | tail -n 1 | tr -d "\"' \t\r"; }

# Set $1 in .env to $2, unless it has a value
fill() {
  [ -z "$(value "$1")" ] || return 0
  # Passed by the environment: every user of this machine can read arguments
  name=$1 value=$2 awk '
    NR == FNR { if (index($0, ENVIRON["name"] "=") == 1) last = FNR; next }
    FNR == last { print ENVIRON["name"] "=" ENVIRON["value"]; next }
    { print }
    END { if (!last) print ENVIRON["name"] "=" ENVIRON["value"] }
  ' .env .env > .env.new
  mv .env.new .env
  echo "$1 is filled in."
}

# Take the value from .env if there is one
secret() {
  now=$(value "$2")
  case $now in
    "" | unused-*) now=$(random) ;;
    *[!A-Za-z0-9._~-]*)
      [ -s "secrets/$1" ] || echo "$2 in .env would need quotes in a file or a URL: write secrets/$1 by hand." >&2
      [ -s "secrets/$1" ] || exit 1
      ;;
  esac
  keep "$1" "$now"
}

# Only this user can enter the folder. All users can read its files, because containers run as other users
keep() {
  [ ! -s "secrets/$1" ] || return 0
  printf '%s\n' "$2" > "secrets/$1"
  chmod 644 "secrets/$1"
  echo "secrets/$1 is made."
}

url() { echo "postgresql://$1:$(cat "secrets/$2")@postgres:5432/app"; }

private_set='' public_set=''
case "${1:-}" in
  "")
    new=random
    begin
    if [ -z "$(value POSTGATE_JWT_SECRET)" ]; then
      key_pair
      if [ -n "$private_set" ]; then
        fill POSTGATE_JWT_SECRET "$private_set"
        fill PGRST_JWT_SECRET "$public_set"
      fi
    fi
    ;;
  --files)
    new=unused
    begin
    mkdir -p secrets
    chmod 700 secrets
    case $(value POSTGATE_JWT_SECRET) in
      "" | unused-*) [ -s secrets/jwt_secret ] || key_pair ;;
      *) public_set=$(value PGRST_JWT_SECRET) ;;
    esac
    [ -z "$private_set" ] || keep jwt_secret "$private_set"
    secret jwt_secret POSTGATE_JWT_SECRET
    if [ -n "$public_set" ]; then
      keep jwt_public "$public_set"
      fill JWT_PUBLIC jwt_public
    fi
    secret postgres_password POSTGRES_PASSWORD
    secret authenticator_password AUTHENTICATOR_PASSWORD
    secret gateway_password GATEWAY_PASSWORD
    keep owner_url "$(url postgres postgres_password)"
    keep authenticator_url "$(url authenticator authenticator_password)"
    keep gateway_url "$(url gateway gateway_password)"
    fill COMPOSE_FILE docker-compose.yml:docker/secrets.yml
    ;;
  *)
    sed -n '2,4s/^# *//p' "$0"
    exit 2
    ;;
esac
for name in POSTGATE_JWT_SECRET POSTGRES_PASSWORD AUTHENTICATOR_PASSWORD GATEWAY_PASSWORD; do
  fill "$name" "$($new)"
done
