#!/bin/sh
# Refresh the examples' locks, hashed and without index addresses: examples/compile.sh UV [--upgrade]
# The versions named in requirements.in, package.json and go.mod are raised by hand.
set -eu
uv=$(realpath "$(command -v "$1")")
shift
cd "$(dirname "$0")"
for name in flask flask-authkit fastapi; do
    (cd "$name" && "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --output-file requirements.lock "$@" requirements.in)
done
for name in express nextjs-authkit; do
    (cd "$name" && npm install --package-lock-only --omit-lockfile-registry-resolved=true --loglevel=error)
done
(cd go && go mod tidy)
