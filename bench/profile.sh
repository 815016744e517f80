#!/bin/sh
# Flame graph of authfactor under one operation's load: bench/profile.sh OPERATION [SVG] [bench/run.py options ...]
# py-spy must be allowed to look into the server: root, or kernel.yama.ptrace_scope=0.
set -eu
operation=${1:?usage: bench/profile.sh enroll|challenge|verify|get|list [SVG] [options of bench/run.py]}
shift
bench=$(dirname "$0")
picture=$bench/results/$operation.svg
case ${1:-} in *.svg) picture=$1; shift ;; esac
exec "${PYTHON:-python3}" "$bench/run.py" --servers authfactor --only "$operation" --connections 16 --seconds 10 \
	--profile "$picture" "$@"
