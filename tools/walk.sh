#!/bin/sh
# A newcomer's walk, on this machine but in empty folders: build the wheel, install it with the PostgreSQL driver into an empty
# environment outside this tree, start PostgreSQL from the system's packages, check, migrate and serve with the command lines of the
# systemd unit, and go through the quick start's steps with curl. Needs: postgresql, curl, a package index. Leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
place=$(mktemp -d /tmp/authfactor-walk-XXXXXX)
chmod 755 "$place"
server='' postgres=''
finish() {
    code=$?
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    # By its own command: the background shell that started it ignores SIGINT.
    [ -z "$postgres" ] || as "$programs/pg_ctl" -D "$place/pg/data" -m immediate stop >/dev/null || true
    [ "$code" -eq 0 ] || tail -n 30 "$place"/*.log 2>/dev/null || true
    rm -rf "$place"
    exit "$code"
}
trap finish EXIT INT TERM
step() { printf '%s\n' "walk: $1"; }
port() { "$place/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

step "build wheel and sdist"
"$root/.venv/bin/hatchling" build -d "$place/dist" >/dev/null

step "install the wheel into an empty environment"
python=${PYTHON:-$("$root/.venv/bin/python" -c 'import sys; print(sys._base_executable)')}
"$python" -m venv "$place/venv"
sed 's/ \\$//; /^ *--hash/d' "$root/requirements/dev.lock" > "$place/constraints"
"$place/venv/bin/pip" --disable-pip-version-check --quiet install --constraint "$place/constraints" \
    "$(ls "$place"/dist/*.whl)[postgres]"
cd "$place"
"$place/venv/bin/authfactor" --version

step "start PostgreSQL"
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$programs" ] || { echo "no PostgreSQL under /usr/lib/postgresql: apt-get install postgresql" >&2; exit 1; }
as() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid nobody --regid nogroup --clear-groups "$@"; else "$@"; fi; }
mkdir "$place/pg"
[ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$place/pg"
as "$programs/initdb" -D "$place/pg/data" -U authfactor -A trust -E UTF8 >/dev/null
pg_port=$(port)
as "$programs/postgres" -D "$place/pg/data" -k "$place/pg" -p "$pg_port" -h 127.0.0.1 > "$place/postgres.log" 2>&1 &
postgres=$!
for _ in $(seq 100); do "$programs/pg_isready" -q -h 127.0.0.1 -p "$pg_port" && break; sleep 0.1; done
as "$programs/createdb" -h 127.0.0.1 -p "$pg_port" -U authfactor authfactor

step "check, migrate, serve: the command lines of the systemd unit"
api=$(port)
printf 'port = %s\n' "$api" > "$place/authfactor.toml"
export AUTHFACTOR_DATABASE_URL="postgresql://authfactor@127.0.0.1:$pg_port/authfactor"
unit_line() {
    sed -n "s|^$1=||p" "$root/deploy/systemd/authfactor.service" | sed "s|/opt/authfactor|$place/venv|; \
s|/etc/authfactor/authfactor.toml|$place/authfactor.toml|; s|/var/lib/authfactor|$place/state|"
}
"$place/venv/bin/authfactor" --config "$place/authfactor.toml" --data "$place/state" migrate
$(unit_line ExecStartPre)
$(unit_line ExecStart) > "$place/server.log" 2>&1 &
server=$!
for _ in $(seq 300); do
    curl -fsS -o /dev/null "http://127.0.0.1:$api/readyz" 2>/dev/null && break
    kill -0 "$server" || exit 1
    sleep 0.1
done

step "the tour"
KEY=$(cat "$place/state/bootstrap-api-key")
call() { path=$1; shift; curl -sS "http://127.0.0.1:$api$path" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' "$@"; }
field() { "$place/venv/bin/python" -c 'import functools, json, sys
print(functools.reduce(lambda part, name: part[name], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }
user=$(call /user_management/users -d '{"email": "pat@example.org"}' | field id)
enrolled=$(call "/user_management/users/$user/auth_factors" -d '{"type": "totp", "totp_issuer": "Acme"}')
challenge=$(echo "$enrolled" | field authentication_challenge.id)
secret=$(echo "$enrolled" | field authentication_factor.totp.secret)
code=$("$place/venv/bin/python" -c 'import sys, time
from authfactor.otp import base32, totp
print(totp.code_at(base32.decode(sys.argv[1], min_bytes=10), totp.step_at(int(time.time()))))' "$secret")
[ "$(call "/auth/challenges/$challenge/verify" -d "{\"code\": \"$code\"}" | field valid)" = True ]
factor=$(echo "$enrolled" | field authentication_factor.id)
challenge=$(call "/auth/factors/$factor/challenge" -X POST | field id)
[ "$(call "/auth/challenges/$challenge/verify" -d "{\"code\": \"$code\"}" | field reason)" = code_already_used ]

step "reload and stop"
kill -HUP "$server"
sleep 0.3
kill -TERM "$server"
wait "$server"
server=''
! grep -q Traceback "$place/server.log"
step "passed"
