#!/bin/sh
# Makes the secrets that compose.yaml wants, once: tokens in secrets/, the rest in .env. What is there stays as it is.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in sender-token reader-token operator-token grafana-password; do
  # Readable for the users that the containers run as; the folder keeps out everybody else.
  [ -s "secrets/$name" ] || { random >"secrets/$name" && chmod 644 "secrets/$name"; }
done
[ -s .env ] || printf 'S3_SECRET_ACCESS_KEY=%s\n' "$(random)" >.env
echo "secrets/: sender-token, reader-token, operator-token, grafana-password (user admin)"
