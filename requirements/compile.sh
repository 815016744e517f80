#!/bin/sh
# Compile the locks from pyproject.toml: requirements/compile.sh UV [--upgrade]
# Universal (one file for every platform and Python from 3.11), hashed, and without index addresses.
set -eu
uv=$1
shift
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --output-file "requirements/$out" "$@"
}
compile runtime.lock pyproject.toml "$@"
compile dev.lock pyproject.toml --all-extras --group dev --constraints requirements/runtime.lock "$@"
compile postgres.lock pyproject.toml --extra postgres --constraints requirements/dev.lock "$@"
compile build.lock --group build --constraints requirements/dev.lock "$@"
