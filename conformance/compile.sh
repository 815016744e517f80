#!/bin/sh
# Refresh the SDKs' locks, hashed and without index addresses: conformance/compile.sh UV [--upgrade]
# The versions named in rows.py, *.in, package.json and go.mod are raised by hand: a row is one version.
set -eu
uv=$(realpath "$(command -v "$1")")
shift
cd "$(dirname "$0")"
for version in 5 newest; do
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --output-file "python/$version.lock" "$@" "python/$version.in"
done
for version in 7 newest; do
    (cd "js/$version" && npm install --package-lock-only --omit-lockfile-registry-resolved=true --loglevel=error)
done
(cd go/6 && go mod tidy)
