#!/bin/sh
# Two certificates for `localhost` with their keys, for the tests alone; valid for a hundred years.
set -eu
cd "$(dirname "$0")"
for name in first second; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:localhost" -addext "basicConstraints=critical,CA:FALSE" \
    -keyout "$name-key.pem" -out "$name-cert.pem"
done
