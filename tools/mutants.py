"""Remove one guard of the product at a time and check that a test fails.

Usage: python tools/mutants.py [NAME ...] [--list] [--check]

Each mutant is one replacement in one file, applied to a copy; the tests it names run against that copy. A
mutant that survives is a guard without a test. `--check` only checks that each replacement still applies.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/authfactor"


class Mutant(NamedTuple):
    """A removed guard: the file, the text, its replacement, and the tests of which one must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


VERIFYING = ("tests/rules/test_challenges.py", "-k", "sqlite")
LIMITS = ("tests/rules/test_attempt_limits.py", "-k", "sqlite")
SIGN_IN = (
    "tests/http/sign_in/test_refusals.py",
    "tests/http/sign_in/test_pending_authentication.py",
    "tests/http/sign_in/test_mfa_policy.py",
)
SIGN_IN_SQLITE = (*SIGN_IN, "-k", "not postgres")
AT_ONCE = ("tests/store/test_factors.py", "tests/rules/test_attempt_limits.py", "-k", "postgres")
CANARY = ("tests/security/test_canary.py", "-k", "anywhere and sqlite")
SEALS = ("tests/rules/test_event_sealing.py", "-k", "sqlite")
SEALS_AT_ONCE = ("tests/rules/test_event_sealing.py", "-k", "postgres and concurrently")
SET_UP = ("tests/rules/test_operator_set_up.py", "-k", "sqlite")
CONFIRMING = ("tests/rules/test_reauthentication.py", "-k", "not postgres")
REFUSED_ATTEMPTS = ("tests/rules/test_refused_attempts.py", "-k", "sqlite")
STEP_UP = ("tests/http/sign_in/test_session_checks.py", "-k", "sqlite")
RECOVERY = ("tests/rules/test_recovery_codes.py", "-k", "sqlite")
DRIFT = ("tests/unit/test_clock_drift.py",)
DRIFTING = ("tests/rules/test_clock_drift.py", "-k", "sqlite")
RESYNC = ("tests/rules/test_clock_resync.py", "-k", "sqlite")
FACTOR_PAGES = ("tests/rules/test_factor_pages.py", "-k", "sqlite")
IMPORTED = ("tests/rules/test_imported_recovery_codes.py", "-k", "sqlite")
DEVICES = (
    "tests/http/sign_in/test_trusted_devices.py",
    "tests/rules/test_trusted_devices.py",
    "-k",
    "sqlite",
)
BROWSERS = ("tests/http/pages/test_trusted_browsers.py", "tests/rules/test_trusted_browsers.py")
EMAILS = ("tests/unit/test_email_identity.py",)
STRICTER_POLICY = ("tests/http/sign_in/test_stricter_policy.py", "-k", "sqlite")
GRACE = ("tests/http/sign_in/test_grace.py", "-k", "sqlite")
POLICY_RULES = ("tests/http/sign_in/test_policy_rules.py", "-k", "sqlite")
POLICY_DOCUMENTS = ("tests/http/sign_in/test_policy_documents.py", "-k", "sqlite")
FRAMING = ("tests/security/test_http_framing.py",)
HTTP_LIMITS = ("tests/security/test_http_limits.py", "-k")
LOG_STREAM = ("tests/http/test_log_stream.py",)
STALLED_LOG = ("tests/reliability/test_stalled_log_reader.py",)
PAUSES = ("tests/rules/test_webhook_pauses.py", "-k", "sqlite")
PAUSES_AT_ONCE = ("tests/rules/test_webhook_pauses.py", "-k", "postgres")
PLACES = ("tests/unit/test_delivery_places.py",)
NOT_SERVED = ("tests/http/test_not_served.py",)
ENCRYPTED = ("tests/http/console/test_sign_in.py", "-k", "plain_http")
WRONG_FOLDER = ("tests/cli/test_wrong_folder.py", "-k", "users or working")
LANDING = ("tests/http/pages/test_landing_page.py",)
LOGOUT = ("tests/http/sign_in/test_logout.py", "-k", "not postgres")
DUPLICATES = ("tests/rules/test_duplicate_secrets.py", "-k", "sqlite")
REPEATED = ("tests/rules/test_repeated_verifications.py", "-k", "sqlite")
REPEATED_SIGN_INS = ("tests/http/sign_in/test_repeated_sign_ins.py", "-k", "not postgres")
MODEL = ("tests/reliability/test_simulation.py", "-k", "five_thousand")

SHARED = ("tests/store/test_shared_transactions.py", "-k")
SHARED_COMMITS = ("tests/rules/test_shared_commits.py", "-k")

MUTANTS = [
    Mutant(
        "rows of a shared statement are locked as units arrive",
        "store/postgres/shared_statements.py",
        "        units.sort(key=_key)\n",
        "",
        (*SHARED, "one_order"),
    ),
    Mutant(
        "records of a shared charge are locked as units arrive",
        "store/queries/attempts.py",
        " ORDER BY number, subject\n  ON CONFLICT",
        " ORDER BY at\n  ON CONFLICT",
        ("tests/rules/test_shared_lock_order.py",),
    ),
    Mutant(
        "what a failed unit wrote is committed with its neighbors",
        "store/postgres/shared_transaction.py",
        "if self.wrote and not commits:",
        "if self.wrote and commits is None:",
        (*SHARED, "fails_no_neighbor"),
    ),
    Mutant(
        "a shared commit without an answer is repeated",
        "store/postgres/connection.py",
        """                raise errors.Unavailable(_OUTCOME_UNKNOWN) from error
            if isinstance(error, TimeoutError):
                raise
""",
        """                raise UndoneByNeighbor from error
            if isinstance(error, TimeoutError):
                raise
""",
        (*SHARED, "lost_answer"),
    ),
    Mutant(
        "two units of a shared transaction hold one row",
        "store/postgres/shared_statements.py",
        "if row in self._locked:",
        "if row is self._locked:",
        (*SHARED, "same_row"),
    ),
    Mutant(
        "codes of one user in a shared charge are counted once",
        "store/queries/attempts.py",
        "SELECT CASE WHEN t.rank = 1 THEN t.at ELSE -t.at END,",
        "SELECT t.at,",
        (*SHARED_COMMITS, "one_user and postgres"),
    ),
    Mutant(
        "a shared spend closes challenges of used codes",
        "store/postgres/array_statements.py",
        'f"k JOIN s{number - 1} USING (at)"',
        '"k"',
        (*SHARED, "own_rows"),
    ),
    Mutant(
        "a shared spend does not ask whether the step was used",
        "store/tables/factors.py",
        "ELSE 0 END\nWHERE environment = $1 AND id = $2 AND last_step < $3",
        "ELSE 0 END\nWHERE environment = $1 AND id = $2",
        (*SHARED_COMMITS, "own_code and postgres"),
    ),
    Mutant(
        "units that share a transaction wait for a locked row",
        "store/postgres/connection.py",
        '"BEGIN; SET LOCAL lock_timeout = 100"',
        '"BEGIN"',
        (*SHARED, "no_neighbor_waiting"),
    ),
    Mutant(
        "stalled transactions keep their kind waiting",
        "store/postgres/waiting_units.py",
        " if began > earliest)",
        ")",
        (*SHARED, "stalled"),
    ),
    Mutant(
        "bytes beside the body are not counted",
        "http1/request_parser.py",
        "        self._overhead += len(piece)\n",
        "",
        (*HTTP_LIMITS, "trailer or extension or never_ends"),
    ),
    Mutant(
        "chunks and trailer fields count only their bytes",
        "http1/request_parser.py",
        "self._overhead += CALLBACK_BYTES",
        "self._overhead += 0",
        (*HTTP_LIMITS, "chunk_framing"),
    ),
    Mutant(
        "incomplete heads may have any number of fields",
        "http1/request_parser.py",
        "or len(self._headers) > MAX_FIELDS:",
        "or False:",
        (*HTTP_LIMITS, "128"),
    ),
    Mutant(
        "complete heads may have any number of fields",
        "http1/request_parser.py",
        "        if len(self._headers) > MAX_FIELDS:",
        "        if False:",
        (*HTTP_LIMITS, "128"),
    ),
    Mutant(
        "an unread body of any length is discarded",
        "http1/request_cycle.py",
        "and int(declared) - len(self._body) <= DISCARD_BYTES",
        "and True",
        (*HTTP_LIMITS, "large_body"),
    ),
    Mutant(
        "a body after a refused 100-continue is expected",
        "http1/request_cycle.py",
        "            not self._expect_continue\n",
        "            True\n",
        FRAMING,
    ),
    Mutant(
        "the rest of a small body is awaited for a minute",
        "http1/connection.py",
        "deadline = self._idle_since + DISCARD_SECONDS",
        "pass",
        (*HTTP_LIMITS, "small_body"),
    ),
    Mutant(
        "a client may take any time to read a response",
        "http1/connection.py",
        "<= now and self.unsent_bytes:",
        "<= now and False:",
        (*HTTP_LIMITS, "given_up"),
    ),
    Mutant(
        "a client may take any time to read the last response",
        "http1/sending.py",
        "self._set_timer(self._limits.write_timeout, self._abort_slow_reader)",
        "pass",
        (*HTTP_LIMITS, "given_up"),
    ),
    Mutant(
        "the kernel keeps the responses of a client that was given up",
        "http1/sending.py",
        "if self.unsent_bytes and sock is not None:",
        "if False:",
        (*HTTP_LIMITS, "given_up"),
    ),
    Mutant(
        "the kernel's send buffer is not limited",
        "server/listening_sockets.py",
        "sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)",
        "sock.fileno()",
        (*HTTP_LIMITS, "kernel"),
    ),
    Mutant(
        "any number of pipelined requests is parsed",
        "http1/connection.py",
        "len(self._queued) >= MAX_PIPELINED",
        "False",
        ("tests/http/test_connection.py", "-k", "eight"),
    ),
    Mutant(
        "pipelined bodies of any size are parsed",
        "http1/connection.py",
        "or self._queued_bytes > MAX_PIPELINED_BYTES",
        "or False",
        ("tests/http/test_connection.py", "-k", "pipelined_bodies"),
    ),
    Mutant(
        "pipelined input of any size is held",
        "http1/connection.py",
        "if len(self._held) > MAX_PIPELINED_BYTES and self._queued:",
        "if False:",
        ("tests/http/test_connection.py", "-k", "pipelined_input"),
    ),
    Mutant(
        "any number of connections is served",
        "http1/connection_limits.py",
        "if len(connections) < self.max_connections or",
        "if True or",
        (*HTTP_LIMITS, "beyond_the_limit or descriptors"),
    ),
    Mutant(
        "idle connections keep new ones out",
        "http1/connection_limits.py",
        "or self._make_room(connections, now):",
        "or False:",
        (*HTTP_LIMITS, "give_way or descriptors"),
    ),
    Mutant(
        "silent readers delay the stop",
        "server/worker.py",
        "elif now - unchanged_since > SILENT_SECONDS:",
        "elif False:",
        (*HTTP_LIMITS, "delay_the_stop"),
    ),
    Mutant(
        "a stop takes twice the drain time",
        "server/worker.py",
        "asyncio.timeout(self._settings.drain_time)",
        "asyncio.timeout(2 * self._settings.drain_time)",
        (*HTTP_LIMITS, "drain_time"),
    ),
    Mutant(
        "a TLS handshake may take a minute",
        "server/tls.py",
        "ssl_handshake_timeout=HANDSHAKE_SECONDS",
        "ssl_handshake_timeout=60.0",
        ("tests/http/test_tls.py", "-k", "finish_its_handshake"),
    ),
    Mutant(
        "TLS handshakes may take every descriptor",
        "server/tls.py",
        "if len(handshakes) >= room:",
        "if False:",
        ("tests/http/test_tls.py", "-k", "give_way"),
    ),
    Mutant(
        "refused sign-ins may hold every connection",
        "http/refusal_timing.py",
        "            _answer_one_early()",
        "            pass",
        ("tests/http/sign_in/test_refusal_timing.py", "-k", "makes_room"),
    ),
    Mutant(
        "a flood of refused sign-ins shortens the wait of others",
        "http/refusal_timing.py",
        "if _held[held][0] == busiest",
        "if busiest",
        ("tests/http/sign_in/test_refusal_timing.py", "-k", "makes_room"),
    ),
    Mutant(
        "the first requests at once each compile all templates",
        "http/pages/templating.py",
        "    with _compiling:\n        _compile_all()",
        "    _compile_all()",
        ("tests/http/pages/test_page_serving.py", "-k", "compiled_once"),
    ),
    Mutant(
        "OpenTelemetry's variables stop a server without its packages",
        "settings/reading.py",
        " or not _can_trace()",
        "",
        ("tests/unit/test_settings.py", "-k", "without_the_extra"),
    ),
    Mutant(
        "any number of forwarded hops is looked at",
        "http/rate_limiting.py",
        "[-MAX_HOPS:]",
        "",
        ("tests/http/test_rate_limiting.py", "-k", "hops"),
    ),
    Mutant(
        "a half-closed connection gets no response",
        "http1/connection.py",
        "if self._current is None or not self.transport.can_write_eof():",
        "if True:",
        FRAMING,
    ),
    Mutant("two hosts are accepted", "http1/request_parser.py", "hosts > 1", "False", FRAMING),
    Mutant(
        "no host is accepted",
        "http1/request_parser.py",
        '(host is None and version == "1.1")',
        "False",
        FRAMING,
    ),
    Mutant(
        "any version is accepted",
        "http1/request_parser.py",
        "if version not in _VERSIONS:",
        "if False:",
        FRAMING,
    ),
    Mutant(
        "a chunked body of HTTP/1.0 is accepted",
        "http1/request_parser.py",
        '(version == "1.0" or coding',
        "(coding",
        FRAMING,
    ),
    Mutant(
        "HTTP/1.0 gets 100 Continue",
        "http1/request_parser.py",
        'return version == "1.1" and fields',
        "return fields",
        FRAMING,
    ),
    Mutant(
        "an upgrade request may be chunked",
        "http1/request_parser.py",
        'if b"transfer-encoding" in fields or self._parser.get_method() == b"CONNECT":',
        "if False:",
        ("tests/security/test_reverse_proxies.py", "-k", "server_itself"),
    ),
    Mutant(
        "a secret is taken from two places",
        "settings/reading.py",
        "if direct in environ:",
        "if False:",
        ("tests/unit/test_settings.py",),
    ),
    Mutant(
        "an empty file is a secret",
        "settings/reading.py",
        "if not content:",
        "if False:",
        ("tests/unit/test_settings.py",),
    ),
    Mutant(
        "a draining server is ready",
        "cli/ready.py",
        "if status != _READY:",
        "if False:",
        ("tests/cli/test_ready.py",),
    ),
    Mutant(
        "an unwanted write lock is kept",
        "store/sqlite/store.py",
        "if acquisition.exception() is None:",
        "if False:",
        ("tests/store/test_sqlite.py",),
    ),
    Mutant(
        "the write-ahead log is never restarted",
        "store/sqlite/checkpointer.py",
        "self._caught_up = True",
        "self._caught_up = False",
        ("tests/store/test_checkpointer.py",),
    ),
    Mutant(
        "a response overtakes a batched one",
        "http1/response_batching.py",
        "            self.flush()\n            _write",
        "            _write",
        ("tests/http/test_response_batching.py",),
    ),
    Mutant(
        "the connection closes before batched responses are sent",
        "http1/sending.py",
        "        self._batcher.flush()\n",
        "",
        ("tests/http/test_connection.py", "-k", "closes_the_connection"),
    ),
    Mutant(
        "last step is not checked",
        "store/tables/factors.py",
        "AND last_step < $3",
        "AND last_step < $3 + 1000000000",
        VERIFYING,
    ),
    Mutant(
        "earlier steps are accepted",
        "store/tables/factors.py",
        "AND last_step < $3",
        "AND last_step <> $3",
        VERIFYING,
    ),
    Mutant(
        "attempts at a closed challenge are counted",
        "store/queries/attempts.py",
        "if challenge.verified_at is not None or challenge.expires_at <= now:",
        "if False:",
        ("tests/store/test_factors.py", "tests/rules/test_attempt_limits.py", "-k", "sqlite"),
    ),
    Mutant(
        "wrong codes are refunded",
        "rules/factors/challenges.py",
        "        settled = attempt_limits.record_failure(record, scope.now, self._settings)\n",
        "        settled = attempt_limits.refund_refusal(record)\n",
        LIMITS,
    ),
    Mutant(
        "lock is ignored",
        "rules/factors/challenges.py",
        "refusal: errors.ChallengeRefused | None = challenge_state.locked(attempt.record, scope.now)",
        "refusal: errors.ChallengeRefused | None = None",
        LIMITS,
    ),
    Mutant(
        "attempts under a lock are not refunded",
        "rules/factors/attempt_limits.py",
        "    return FailureRecord(record.times[:-1], record.in_a_row - 1, record.locked_until)",
        "    return record",
        LIMITS,
    ),
    Mutant(
        "a success clears the failure window",
        "rules/factors/attempt_limits.py",
        "return FailureRecord(record.times[:-1], 0, None)",
        "return FailureRecord((), 0, None)",
        ("tests/unit/test_attempt_limits.py",),
    ),
    Mutant(
        "monthly failure budget is not enforced",
        "rules/factors/attempt_limits.py",
        "if len(times) >= settings.failures_per_month:",
        "if False:",
        ("tests/unit/test_attempt_limits.py",),
    ),
    Mutant(
        "lock time does not double",
        "rules/factors/attempt_limits.py",
        "doubled = settings.lock_time << min(len(times) - settings.doubling_after, 32)",
        "doubled = settings.lock_time",
        ("tests/unit/test_attempt_limits.py",),
    ),
    Mutant(
        "failures are forgotten after a day",
        "rules/factors/attempt_limits.py",
        "if at > seconds - MONTH)[-limit:]",
        "if at > seconds - DAY)[-limit:]",
        MODEL,
    ),
    Mutant(
        "failures are counted per factor, not per user",
        "store/queries/attempts.py",
        "return factor.user_id or factor.id",
        "return factor.id",
        LIMITS,
    ),
    Mutant(
        "challenge is not bound to its user",
        "rules/authentication/second_step.py",
        "if factor.user_id != user.id:",
        "if False:",
        SIGN_IN_SQLITE,
    ),
    Mutant(
        "an unconfirmed factor completes a sign-in",
        "rules/authentication/second_step.py",
        "if any(other.activated_at is not None for other in factors):",
        "if False:",
        SIGN_IN_SQLITE,
    ),
    Mutant(
        "pending token is not spent",
        "store/tables/sessions.py",
        "AND spent_at IS NULL",
        "",
        (
            "tests/http/sign_in/test_pending_authentication.py",
            "tests/http/sign_in/test_refresh_tokens.py",
            "-k",
            "not postgres",
        ),
    ),
    Mutant(
        "pending token survives a new password",
        "rules/authentication/second_step.py",
        "if password_mark(user.password_hash) != pending.password_mark:",
        "if False:",
        SIGN_IN_SQLITE,
    ),
    Mutant(
        "expired challenge is accepted",
        "rules/factors/challenge_state.py",
        "if challenge.expires_at <= now:",
        "if False:",
        VERIFYING,
    ),
    Mutant(
        "codes are compared with `==`",
        "otp/totp.py",
        'equal = hmac.compare_digest(b"%06d" % code_number(secret, step), given)',
        'equal = b"%06d" % code_number(secret, step) == given',
        ("tests/unit/test_totp.py",),
    ),
    Mutant(
        "window search stops at the first match",
        "otp/totp.py",
        "        found = step if equal else found\n",
        "        found = step if equal else found\n        if equal:\n            return found\n",
        ("tests/unit/test_totp.py",),
    ),
    Mutant(
        "window is one step wider",
        "otp/totp.py",
        "range(max(now - window, 0), now + window + 1)",
        "range(max(now - window, 0), now + window + 2)",
        ("tests/unit/test_totp.py",),
    ),
    Mutant(
        "full-width digits are accepted",
        "otp/totp.py",
        "and digits.isascii() and digits.isdigit()",
        "and digits.isdigit()",
        ("tests/unit/test_totp.py",),
    ),
    Mutant(
        "sealed value is not bound to its row",
        "crypto/vault.py",
        'join(("authfactor", where.table, where.column, str(where.environment), where.id))',
        'join(("authfactor",))',
        ("tests/unit/test_vault.py", "tests/rules/test_sealed_secrets.py", "-k", "not postgres"),
    ),
    Mutant(
        "commit is not awaited",
        "store/sqlite/store.py",
        "            await self._commit_thread.run(self._commit, self._write_tx.during_commit, resolve)\n",
        "            resolve()\n            asyncio.ensure_future(self._commit_thread.run(self._commit))\n",
        ("tests/store/test_sqlite.py", "-k", "lock_of_another or lock_held or full_disk"),
    ),
    Mutant(
        "SQLite runs with synchronous=NORMAL",
        "store/sqlite/connection.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=NORMAL",
        ("tests/store/test_sqlite.py",),
    ),
    Mutant(
        "failed unit is not rolled back",
        "store/sqlite/store.py",
        '            execute("ROLLBACK TO unit")\n',
        "",
        ("tests/store/test_transactions.py", "-k", "sqlite"),
    ),
    Mutant(
        "a unit that fails after a write is not rolled back",
        "store/sqlite/store.py",
        "if self._writer.total_changes != written or isinstance",
        "if isinstance",
        ("tests/store/test_transactions.py", "-k", "sqlite"),
    ),
    Mutant(
        "ids of another environment are found",
        "store/tables/factors.py",
        "WHERE environment = $1 AND id = $2",
        "WHERE $1 = $1 AND id = $2",
        ("tests/store/test_environment_isolation.py", "-k", "sqlite"),
    ),
    Mutant(
        "password throttles that never refuse",
        "store/tables/throttles.py",
        "WHERE throttles.full_at <= $6",
        "WHERE throttles.full_at <= $6 OR TRUE",
        ("tests/store/test_throttles.py", "-k", "sqlite"),
    ),
    Mutant(
        "a stranger's wrong passwords lock the owner out",
        "rules/authentication/password_throttling.py",
        "familiar = user is not None and await _is_familiar(scope, user.id, network)",
        "familiar = False",
        ("tests/security/test_sign_in_attacks.py", "-k", "sqlite and stranger"),
    ),
    Mutant(
        "a set-up link decides the role",
        "rules/console/operator_set_up.py",
        "        active = await lock(tx, operator.id)",
        "        link = await tx.operators.link_by_hash(hashed)\n"
        "        await tx.operators.set_role(operator.id, link.role if link else operator.role, scope.now)\n"
        "        active = await lock(tx, operator.id)",
        SET_UP,
    ),
    Mutant(
        "a set-up link is good for a disabled operator",
        "rules/console/operator_set_up.py",
        'if operator is not None and operator.state != "invited":',
        "if False:",
        SET_UP,
    ),
    Mutant(
        "a first link is good beside an owner",
        "rules/console/operator_set_up.py",
        "if link.first and await tx.operators.has_active_owner():",
        "if False:",
        SET_UP,
    ),
    Mutant(
        "an operator is activated in any state",
        "store/tables/operators.py",
        "WHERE id = $1 AND state = 'invited' AND factor_id = $2 AND password_hash IS NOT NULL",
        "WHERE id = $1 AND $2 = $2",
        ("tests/store/test_operators.py", "-k", "sqlite"),
    ),
    Mutant(
        "a disabled operator gets a session",
        "rules/console/operator_sign_in.py",
        "if not await scope.tx.operators.record_sign_in(operator.id, now):",
        "if not await scope.tx.operators.record_sign_in(operator.id, now) and False:",
        SET_UP,
    ),
    Mutant(
        "the last owner is reset away",
        "rules/console/operators.py",
        "if not even_last_owner:",
        "if False:",
        SET_UP,
    ),
    Mutant(
        "an outdated form changes a role",
        "rules/console/operators.py",
        "if if_updated_at not in {None, operator.updated_at}:",
        "if False:",
        SET_UP,
    ),
    Mutant(
        "an outdated form changes an environment",
        "rules/tenants/environments.py",
        "if if_updated_at not in {None, known.updated_at}:",
        "if False:",
        ("tests/rules/test_environments.py", "-k", "sqlite"),
    ),
    Mutant(
        "an outdated form changes the branding",
        "rules/links/branding.py",
        "if if_updated_at not in {None, known.updated_at}:",
        "if False:",
        ("tests/rules/test_branding.py", "-k", "sqlite"),
    ),
    Mutant(
        "a form is compared with what is stored, not with what it showed",
        "http/pages/console/environments.py",
        "unchanged = request.version() == known.updated_at",
        "unchanged = True",
        ("tests/http/console/test_outdated_forms.py",),
    ),
    Mutant(
        "two changes within a millisecond have one version",
        "rules/tenants/environments.py",
        "updated_at = max(scope.now, known.updated_at + 1)",
        "updated_at = scope.now",
        ("tests/rules/test_environments.py", "-k", "sqlite"),
    ),
    Mutant(
        "a second factor counts for the whole session",
        "rules/console/reauthentication.py",
        "if at is None or not 0 <= now - at < RECENT_MILLISECONDS:",
        "if at is None:",
        CONFIRMING,
    ),
    Mutant(
        "a clock that is set back stretches the five minutes",
        "rules/console/reauthentication.py",
        "not 0 <= now - at < RECENT_MILLISECONDS",
        "not now - at < RECENT_MILLISECONDS",
        CONFIRMING,
    ),
    Mutant(
        "the caller's copy of the session decides",
        "rules/console/actions.py",
        "                require_recent_authentication(session, now)",
        "                pass",
        CONFIRMING,
    ),
    Mutant(
        "an ended session still acts",
        "rules/console/actions.py",
        "if latest is None or session is None:",
        "if latest is None:",
        CONFIRMING,
    ),
    Mutant(
        "a new API key needs no code",
        "rules/console/roles.py",
        'NEED_RECENT_AUTHENTICATION: Final[frozenset[Action]] = frozenset(\n    {\n        "api_key.create",',
        "NEED_RECENT_AUTHENTICATION: Final[frozenset[Action]] = frozenset(\n    {",
        CONFIRMING,
    ),
    Mutant(
        "a weaker policy needs no code",
        "http/pages/console/environments.py",
        "dangerous=weakens",
        "dangerous=False",
        ("tests/http/console/test_confirmation.py", "-k", "policy"),
    ),
    Mutant(
        "a confirmation leaves the old token valid",
        "rules/console/reauthentication.py",
        "renew(token_hash(token), token_hash(new_token), now)",
        "renew(token_hash(token), token_hash(token), now)",
        CONFIRMING,
    ),
    Mutant(
        "an ended session is renewed",
        "store/tables/operators.py",
        "WHERE token_hash = $1 AND ended_at IS NULL AND expires_at > $3",
        "WHERE token_hash = $1",
        ("tests/store/test_operators.py", "-k", "sqlite"),
    ),
    Mutant(
        "a code confirms in another operator's session",
        "rules/console/reauthentication.py",
        "if operator is None or found is None or found[0].operator_id != operator.id:",
        "if operator is None or found is None:",
        CONFIRMING,
    ),
    Mutant(
        "guessing a confirmation never ends the session",
        "rules/console/reauthentication.py",
        "            if locked:",
        "            if False:",
        CONFIRMING,
    ),
    Mutant(
        "a wrong confirmation leaves no audit entry",
        "rules/console/reauthentication.py",
        "            await refused_attempts.append(\n"
        '                scope, self._audit, operator, "operator.confirmation_refused",'
        " WRONG_CONFIRMATION, origin\n"
        "            )\n",
        "",
        CONFIRMING,
    ),
    Mutant(
        "a session is ended under another user's id",
        "rules/authentication/sessions.py",
        "if session is None or user_id not in {None, session.user_id}:",
        "if session is None:",
        ("tests/http/console/test_users.py",),
    ),
    Mutant(
        "a refused console sign-in leaves no audit entry",
        "rules/console/operator_sign_in.py",
        "        await refused_attempts.append(scope, self._audit, operator,"
        ' "operator.sign_in_refused", why, origin)',
        "        pass",
        REFUSED_ATTEMPTS,
    ),
    Mutant(
        "wrong console passwords fill the audit log",
        "rules/console/refused_attempts.py",
        "    if not await _take(scope, subject, BURST):\n        return\n",
        "",
        REFUSED_ATTEMPTS,
    ),
    Mutant(
        "unknown emails from everywhere fill the audit log",
        "rules/console/refused_attempts.py",
        'if operator is None and not await _take(scope, "strangers", STRANGERS_BURST):',
        "if False:",
        REFUSED_ATTEMPTS,
    ),
    Mutant(
        "a refused console sign-in is logged as an internal error",
        "http/pages/console/sign_in.py",
        "        error_code=None if problem is None else problem.code,\n"
        "        problems=[] if problem is None else error_messages(problem),\n"
        "        languages={},\n"
        "        locked_until",
        "        problems=[] if problem is None else error_messages(problem),\n"
        "        languages={},\n"
        "        locked_until",
        ("tests/security/test_console_attacks.py", "-k", "sqlite and fill_the_log"),
    ),
    Mutant(
        "idempotency key is accepted with another body",
        "http/idempotency.py",
        "earlier.body_hash != claimed.body_hash",
        "False",
        ("tests/rules/test_idempotency.py", "-k", "sqlite"),
    ),
    Mutant(
        "a refusal that counted an attempt is not stored",
        "http/idempotency.py",
        "if not error.commits:",
        "if True:",
        ("tests/rules/test_idempotency.py", "-k", "sqlite"),
    ),
    Mutant(
        "a refusal's writes are rolled back",
        "store/sqlite/store.py",
        "            if _commits(error):\n                return None, error\n",
        "",
        ("tests/store/test_transactions.py", "-k", "sqlite and commits"),
    ),
    Mutant(
        "PostgreSQL: a refusal's writes are rolled back",
        "store/postgres/connection.py",
        "        if not error.commits:\n",
        "        if True:\n",
        ("tests/store/test_transactions.py", "-k", "postgres and commits"),
    ),
    Mutant(
        "an enrollment whose picture cannot be drawn",
        "rules/factors/factors.py",
        "if len(uri) > qr.MAX_BYTES:",
        "if False:",
        ("tests/rules/test_factors.py", "-k", "sqlite and too_large"),
    ),
    # PostgreSQL counts an attempt in a separate statement.
    Mutant(
        "PostgreSQL: attempt limit of a challenge is ignored",
        "store/queries/attempts.py",
        "AND verified_at IS NULL AND attempts < $5",
        "AND attempts < $5 + 1000",
        AT_ONCE,
    ),
    Mutant(
        "PostgreSQL: wrong codes are not counted",
        "store/queries/attempts.py",
        "SET times = failures.times || ',' || excluded.times, in_a_row = failures.in_a_row + 1",
        "SET times = failures.times",
        AT_ONCE,
    ),
    Mutant(
        "PostgreSQL: attempts under a lock count against the challenge",
        "store/queries/attempts.py",
        "AND EXISTS (SELECT 1 FROM record WHERE locked_until IS NULL OR locked_until <= $4)",
        "AND EXISTS (SELECT 1 FROM record)",
        AT_ONCE,
    ),
    Mutant(
        "PostgreSQL: failures are counted per factor, not per user",
        "store/queries/attempts.py",
        "coalesce(user_id, factor)",
        "factor",
        AT_ONCE,
    ),
    Mutant(
        "attempts under a lock count against the challenge",
        "store/queries/attempts.py",
        "if record.locked_until is not None and record.locked_until > now:",
        "if False:",
        ("tests/store/test_factors.py", "-k", "sqlite"),
    ),
    Mutant(
        "wrong codes do not count against the challenge",
        "store/queries/attempts.py",
        "        if attempt.charged:\n",
        "        if False:\n",
        LIMITS,
    ),
    Mutant(
        "attempt limit of a challenge is ignored",
        "store/queries/attempts.py",
        "charged = challenge.attempts < max_attempts",
        "charged = True",
        LIMITS,
    ),
    Mutant(
        "wrong codes are not counted",
        "store/queries/attempts.py",
        "FailureRecord((*stored.times, seconds), stored.in_a_row + 1, stored.locked_until)",
        "FailureRecord((*stored.times, seconds)[-1:], 1, stored.locked_until)",
        LIMITS,
    ),
    Mutant(
        "tokens are stored unhashed",
        "rules/authentication/opaque_tokens.py",
        'return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()',
        'return token.encode("utf-8", "surrogatepass")',
        CANARY,
    ),
    Mutant(
        "request paths are logged",
        "http/dispatcher.py",
        "request_id, name, response.status, outcome",
        'request_id, scope["raw_path"].decode("latin-1"), response.status, outcome',
        CANARY,
    ),
    Mutant(
        "event digest omits the data",
        "rules/audit/event_digests.py",
        ".update(encode(row))",
        ".update(encode((*row[:4], row[5])))",
        SEALS,
    ),
    Mutant(
        "events are removed before they are sealed",
        "rules/audit/event_sealing.py",
        "if seal is None or limit <= seal.start:",
        "if True:",
        SEALS,
    ),
    Mutant(
        "events are sealed without a horizon",
        "rules/audit/event_sealing.py",
        "await self._begin(scope), ids.first(ids.EVENT, now - HORIZON)",
        "await self._begin(scope), ids.first(ids.EVENT, now)",
        SEALS,
    ),
    Mutant(
        "event seals may overlap",
        "rules/audit/event_sealing.py",
        "if last is not None and last.target != start:",
        "if False:",
        SEALS_AT_ONCE,
    ),
    Mutant(
        "a gap between event seals is not reported",
        "rules/audit/event_digests.py",
        'if self.upto not in ("", seal.start):',
        "if False:",
        SEALS,
    ),
    Mutant(
        "refusal events are not throttled",
        "rules/factors/challenges.py",
        "if await self._log.take_refusal_event_slot(scope, attempt.subject):",
        "if True:",
        LIMITS,
    ),
    Mutant(
        "a wrong code writes no event",
        "rules/factors/challenges.py",
        "        elif emit:\n",
        "        elif False:\n",
        LIMITS,
    ),
    Mutant(
        "an email is case-folded",
        "email_identity.py",
        "text).lower())",
        "text).casefold())",
        EMAILS,
    ),
    Mutant(
        "an email is not normalized",
        "email_identity.py",
        'unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())',
        "text.lower()",
        EMAILS,
    ),
    Mutant(
        "an A-label is another domain than its U-label",
        "email_identity.py",
        "labels.append(idna.ulabel(label))",
        "labels.append(label)",
        EMAILS,
    ),
    Mutant(
        "an email of any length is normalized",
        "email_identity.py",
        "if len(text) > _MAX_NORMALIZED:",
        "if False:",
        EMAILS,
    ),
    Mutant(
        "a password of any length is normalized",
        "crypto/passwords.py",
        "return password if len(password) > _MAX_NORMALIZED else",
        "return",
        ("tests/unit/test_passwords.py",),
    ),
    Mutant(
        "a name of any length is normalized",
        "otp/key_uri.py",
        "name = text if len(text) > 4 * max_length else",
        "name =",
        ("tests/unit/test_key_uri.py",),
    ),
    Mutant(
        "a form may come from another origin",
        "http/pages/browser_security.py",
        "if not host or origin not in",
        "if not host and origin not in",
        ("tests/http/pages/test_browser_security.py",),
    ),
    Mutant(
        "a redirect that is no URL is an unexpected failure",
        "rules/tenants/environments.py",
        "except ValueError:  # brackets",
        "except KeyError:  # brackets",
        ("tests/rules/test_links.py", "-k", "sqlite and unsafe_redirect"),
    ),
    Mutant(
        "an event stores an email of any length",
        "rules/authentication/sign_in_events.py",
        "else _shortened(request.email)",
        "else request.email",
        ("tests/http/sign_in/test_events.py", "-k", "sqlite and long"),
    ),
    Mutant(
        "an event stores a refusal of any length",
        "rules/authentication/sign_in_events.py",
        "refusal.message[:MAX_STORED]",
        "refusal.message",
        ("tests/http/sign_in/test_events.py", "-k", "sqlite and long"),
    ),
    Mutant(
        "an event stores addresses and user agents of any length",
        "rules/authentication/sign_in_events.py",
        "text[:MAX_STORED]",
        "text[:64_000]",
        ("tests/http/sign_in/test_events.py", "-k", "sqlite and long"),
    ),
    Mutant(
        "the keys of emails stay as an earlier release stored them",
        "store/opening.py",
        "if await store.read(lambda tx: tx.leases.exists(OUTDATED_EMAIL_KEYS)):",
        "if False:",
        ("tests/store/test_email_keys.py", "-k", "sqlite"),
    ),
    Mutant(
        "a user whose email another user has cannot be changed",
        "store/tables/users.py",
        "email_key = CASE WHEN email = $3 THEN email_key ELSE $13 END",
        "email_key = $13",
        ("tests/rules/test_users.py", "-k", "sqlite"),
    ),
    Mutant(
        "a changed email stays verified",
        "rules/tenants/users.py",
        "old.email_verified and email_key(email) == email_key(old.email)",
        "old.email_verified",
        ("tests/rules/test_users.py", "-k", "sqlite"),
    ),
    Mutant(
        "a changed password ends no session",
        "rules/tenants/users.py",
        "if new_hash is not None and self",
        "if False and self",
        ("tests/http/sign_in/test_password_change.py", "-k", "sqlite"),
    ),
    Mutant(
        "a session outlives a stricter policy",
        "rules/authentication/sessions.py",
        "if may_be_due(scope.environment, session, user, now) and not prepared.spent:",
        "if False:",
        STRICTER_POLICY,
    ),
    Mutant(
        "a spent refresh token begins a step-up",
        "rules/authentication/sessions.py",
        " and not prepared.spent:",
        ":",
        STRICTER_POLICY,
    ),
    Mutant(
        "enrolling a factor ends the session",
        "rules/authentication/step_up.py",
        "return any((factor.activated_at or 0) <= session.created_at for factor in active)",
        "return bool(active)",
        STRICTER_POLICY,
    ),
    Mutant(
        "a stepped-up session goes on beside its successor",
        "rules/authentication/second_step.py",
        "if pending.session_id and not await",
        "if False and not await",
        STRICTER_POLICY,
    ),
    Mutant(
        "a stored sign-in outlives its session",
        "http/idempotency.py",
        "if before_replay is not None and isinstance(stored, Response):",
        "if False:",
        ("tests/http/sign_in/test_retries.py", "-k", "sqlite"),
    ),
    Mutant(
        "a 429 of authenticate in the shape of other routes",
        "http/error_responses.py",
        "and route == AUTHENTICATE:",
        "and False:",
        ("tests/http/test_rate_limiting.py",),
    ),
    Mutant(
        "the event loop writes the log itself",
        "cli/serve.py",
        "    log_stream.install()\n",
        "",
        (*STALLED_LOG, "-k", "drops"),
    ),
    Mutant(
        "the supervisor starts no worker beside a stalled log reader",
        "http/telemetry/log_stream.py",
        'for name in ("stdout", "stderr"):',
        'for name in ("stderr",):',
        (*STALLED_LOG, "-k", "upgrade"),
    ),
    Mutant(
        "log lines wait without a limit",
        "http/telemetry/log_stream.py",
        "if self._queued >= MAX_QUEUED and",
        "if False and",
        LOG_STREAM,
    ),
    Mutant(
        "dropped log lines are not counted",
        "http/telemetry/log_stream.py",
        'self.dropped += text.count("\\n")',
        "pass",
        LOG_STREAM,
    ),
    Mutant(
        "log lines that fail are not counted",
        "http/telemetry/log_stream.py",
        "self.dropped += failed",
        "self.dropped += 0",
        LOG_STREAM,
    ),
    Mutant(
        "dropped log lines are not reported",
        "http/telemetry/log_stream.py",
        "        if count:\n",
        "        if False:\n",
        LOG_STREAM,
    ),
    Mutant(
        "an exit waits for a stalled log reader forever",
        "http/telemetry/log_stream.py",
        "self._writer is None, seconds)",
        "self._writer is None, None)",
        LOG_STREAM,
    ),
    Mutant(
        "processes mix their log lines",
        "http/telemetry/log_stream.py",
        "else select.PIPE_BUF",
        "else 1000 * select.PIPE_BUF",
        LOG_STREAM,
    ),
    Mutant(
        "a forked process writes its parent's log lines again",
        "http/telemetry/log_stream.py",
        "        os.register_at_fork(after_in_child=self._start_empty)\n",
        "",
        LOG_STREAM,
    ),
    Mutant(
        "an exiting worker does not drain its log",
        "server/supervisor.py",
        "                log_stream.drain()\n            os._exit(code)",
        "                pass\n            os._exit(code)",
        (*STALLED_LOG, "-k", "last_lines"),
    ),
    Mutant(
        "dead webhook receivers of one environment take all places",
        "rules/events/delivery_places.py",
        "for_environment = _share(self._free, self._by_environment.get(endpoint[0], 0))",
        "for_environment = self._free",
        PLACES,
    ),
    Mutant(
        "a dead webhook receiver takes the places of its environment",
        "rules/events/delivery_places.py",
        "_share(for_environment, taken), MAX_PER_ENDPOINT - taken)",
        "for_environment, MAX_CONCURRENT)",
        PLACES,
    ),
    Mutant(
        "failing webhook endpoints are not paused",
        "rules/events/deliveries.py",
        "return None if paused else endpoint",
        "return endpoint",
        PAUSES,
    ),
    Mutant(
        "every claim probes a paused webhook endpoint",
        "rules/events/deliveries.py",
        "due = due if first else []",
        "pass",
        PAUSES_AT_ONCE,
    ),
    Mutant(
        "a probe sends all that is due to a paused webhook endpoint",
        "rules/events/deliveries.py",
        "1 if probe else limit",
        "limit",
        PAUSES,
    ),
    Mutant(
        "requests sent before a pause prolong it",
        "store/tables/webhook_endpoints.py",
        "paused_until IS NULL OR $8 = 1)",
        "paused_until IS NULL OR $8 >= 0)",
        PAUSES,
    ),
    Mutant(
        "an environment has any number of webhook endpoints",
        "rules/events/webhook_endpoints.py",
        "if await scope.tx.webhook_endpoints.count(scope.number) >= self._max_per_environment:",
        "if False:",
        PAUSES,
    ),
    Mutant(
        "webhook endpoints are counted without a lock",
        "rules/events/webhook_endpoints.py",
        "        await scope.tx.environments.lock(scope.number)\n        if await scope.tx.webhook",
        "        if await scope.tx.webhook",
        PAUSES_AT_ONCE,
    ),
    Mutant(
        "an unknown session is logged out to any environment's URL",
        "store/tables/environments.py",
        "WHERE sessions.id IS NOT NULL OR (SELECT COUNT(*) FROM environments) = 1",
        "WHERE 1 = 1",
        LOGOUT,
    ),
    Mutant(
        "a logout finds another environment than the session's",
        "store/tables/environments.py",
        "ON sessions.environment = environments.number AND sessions.id = $1",
        "ON sessions.id = $1",
        LOGOUT,
    ),
    Mutant(
        "a logout of an ended or unknown session writes",
        "rules/authentication/sessions.py",
        "        if is_open:\n",
        "        if True:\n",
        LOGOUT,
    ),
    Mutant(
        "a logout redirects to any URL",
        "http/api/logout.py",
        "if return_to is not None and return_to in allowed:",
        "if return_to is not None:",
        LOGOUT,
    ),
    Mutant(
        "a filter that is not served is ignored",
        "http/api/parameters.py",
        "    refuse_unknown([name for name, _ in pairs if name not in PAGE and name not in filters])\n",
        "",
        NOT_SERVED,
    ),
    Mutant(
        "a filter of events that is not served is ignored",
        "http/api/authentication.py",
        "    refuse_unknown([key for key, _ in others if key not in PAGE and key not in EVENT_FILTERS])\n",
        "",
        NOT_SERVED,
    ),
    Mutant(
        "an empty email lists every user",
        "http/api/parameters.py",
        "if value or name in filters}",
        "if value}",
        NOT_SERVED,
    ),
    Mutant(
        "a sign-in ignores what it should be bound to",
        "http/api/authentication.py",
        "    requests.refuse_not_served(body)\n",
        "",
        NOT_SERVED,
    ),
    Mutant(
        "a stand-alone factor gets another secret than the given one",
        "http/api/factors.py",
        "    requests.refuse_not_served(body)\n",
        "",
        NOT_SERVED,
    ),
    Mutant(
        "an unserved operation is an unknown route",
        "http/dispatcher.py",
        "            unserved.refuse(method, path, docs_pages.compatibility_link(self.settings))\n",
        "",
        NOT_SERVED,
    ),
    Mutant(
        "the console's secrets are shown over plain HTTP",
        "http/pages/console/console_request.py",
        "    browser_security.check_encrypted(request.http_request.headers, request.af.settings)\n",
        "",
        ENCRYPTED,
    ),
    Mutant(
        "a reading command creates an installation",
        "cli/context.py",
        "        af = await Authfactor.open(loaded, create=create)\n",
        "        af = await Authfactor.open(loaded)\n",
        WRONG_FOLDER,
    ),
    Mutant(
        "a full hashing queue refuses the newcomer",
        "rules/authentication/hashing_pool.py",
        "key=lambda each: (waiting[each.requester.environment], of_network[each.requester]),",
        "key=lambda _: 0,",
        ("tests/rules/test_password_hashing.py",),
    ),
    Mutant(
        "hashes are computed in the order of arrival",
        "rules/authentication/hashing_pool.py",
        "job = min(self._jobs, key=self._start_of)",
        "job = self._jobs[0]",
        ("tests/rules/test_password_hashing.py",),
    ),
    Mutant(
        "the cost of a hash is not charged",
        "rules/authentication/hashing_pool.py",
        "self._finished[name] = self._now + weight",
        "self._finished[name] = self._now + 1",
        ("tests/rules/test_password_hashing.py",),
    ),
    Mutant(
        "strangers at the console use the API's hashing queue",
        "rules/authentication/password_hashing.py",
        'return HashingShare("console", ',
        'return HashingShare("api", ',
        ("tests/rules/test_password_hashing.py",),
    ),
    Mutant(
        "an import may cost any number of rounds",
        "crypto/imported_hashes.py",
        "if parsed.load > 1:",
        "if False:",
        ("tests/unit/test_imported_hashes.py",),
    ),
    Mutant(
        "a stored costly hash occupies the shared threads",
        "rules/authentication/password_hashing.py",
        "self._costly if load > 1 else",
        "self._costly if False else",
        ("tests/rules/test_password_hashing.py", "-k", "above_the_limit"),
    ),
    Mutant(
        "IPv4-mapped addresses are IPv6 clients",
        "ip_addresses.py",
        "if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:",
        "if False:",
        ("tests/unit/test_ip_addresses.py",),
    ),
    Mutant(
        "the socket's IPv4-mapped address is kept",
        "http/rate_limiting.py",
        "_canonical(client[0]) if client",
        "client[0] if client",
        ("tests/http/test_rate_limiting.py", "-k", "nearest_untrusted_hop"),
    ),
    Mutant(
        "unknown routes are not counted",
        "http/dispatcher.py",
        "await self._refuse_unmatched(scope, error) if name == UNMATCHED else error",
        "error",
        ("tests/http/test_rate_limiting.py", "-k", "without_a_route"),
    ),
    Mutant(
        "sign-ins do not count against their API key",
        "http/api/authentication.py",
        "if request.count_key is not None:",
        "if False:",
        ("tests/http/test_rate_limiting.py", "-k", "of_their_api_key"),
    ),
    Mutant(
        "strangers use up the attempts of a familiar network",
        "rules/authentication/password_throttling.py",
        'share = "familiar-address" if familiar else "address"',
        'share = "address"',
        ("tests/http/sign_in/test_password_with_code.py", "-k", "familiar"),
    ),
    Mutant(
        "attempts with a code count against the account",
        "rules/authentication/password_throttling.py",
        "return found if familiar or with_code else",
        "return found if familiar else",
        ("tests/http/sign_in/test_password_with_code.py", "-k", "guess"),
    ),
    Mutant(
        "a code with the password is not compared",
        "rules/authentication/sign_in.py",
        "if not await self._second_step.is_right_code(scope, latest, request):",
        "if False:",
        ("tests/http/sign_in/test_password_with_code.py",),
    ),
    Mutant(
        "failed sign-ins at the console are not paced",
        "rules/console/operator_sign_in.py",
        "if not await password_throttling.charge(console, [limit]):",
        "if False:",
        ("tests/rules/test_operators.py", "-k", "sqlite and concurrent_failed"),
    ),
    Mutant(
        "a known device shares the limit of its network",
        "rules/console/operator_sign_in.py",
        'f"address:{network or \'\'}" if device is None else f"device:{device}"',
        "f\"address:{network or ''}\"",
        ("tests/rules/test_operators.py", "-k", "sqlite and known_device"),
    ),
    Mutant(
        "locked codes reveal a right password at the console",
        "rules/console/operator_sign_in.py",
        "raise (locked if on_known_device else refusal())",
        "raise locked",
        ("tests/rules/test_operators.py", "-k", "sqlite and locked_codes"),
    ),
    Mutant(
        "any token is that of a known device",
        "crypto/vault.py",
        "return any(hmac.compare_digest(",
        "return True or any(hmac.compare_digest(",
        ("tests/rules/test_operators.py", "-k", "sqlite and token_of_a_device"),
    ),
    Mutant(
        "the token of a known device never expires",
        "rules/console/known_devices.py",
        "return device if int(expires_at) > self._clock() else None",
        "return device",
        ("tests/rules/test_operators.py", "-k", "sqlite and token_of_a_device"),
    ),
    Mutant(
        "refused passwords are answered at once",
        "http/refusal_timing.py",
        "if due > now:",
        "if False:",
        ("tests/http/sign_in/test_refusal_timing.py", "-k", "same_time"),
    ),
    Mutant(
        "a secret that the user already has is enrolled again",
        "rules/factors/factors.py",
        "if totp.is_same_secret(secret, other):",
        "if False:",
        DUPLICATES,
    ),
    Mutant(
        "trailing zero bytes make a secret another one",
        "otp/totp.py",
        'return key.rstrip(b"\\0")',
        "return key",
        DUPLICATES,
    ),
    Mutant(
        "a long secret and its digest are two secrets",
        "otp/totp.py",
        "if len(secret) > _BLOCK_BYTES else secret",
        "if False else secret",
        DUPLICATES,
    ),
    Mutant(
        "a step is not spent for factors with the same secret",
        "rules/factors/challenges.py",
        "if challenge_state.is_duplicate(self._vault, secret, sealed, secret_row(scope.number, factor_id)):",
        "if False:",
        DUPLICATES,
    ),
    Mutant(
        "the step of a duplicate goes back",
        "store/tables/factors.py",
        "UPDATE factors SET last_step = $3 WHERE environment = $1 AND id = $2 AND last_step < $3",
        "UPDATE factors SET last_step = $3 WHERE environment = $1 AND id = $2",
        ("tests/store/test_factors.py", "-k", "sqlite and duplicates"),
    ),
    Mutant(
        "doctor does not find duplicate secrets",
        "doctor/database.py",
        "if first.setdefault(key, secret.factor_id) != secret.factor_id:",
        "if False:",
        ("tests/cli/test_doctor.py", "-k", "same_secret"),
    ),
    Mutant(
        "a result is repeated without a limit of time",
        "rules/factors/challenges.py",
        "number, challenge_id, now - REPEAT_TIME, now + REPEAT_TIME",
        "number, challenge_id, 0, 2**62",
        REPEATED,
    ),
    Mutant(
        "another code gets the result of a verified challenge",
        "rules/factors/challenges.py",
        "if not hmac.compare_digest(totp.code_at(secret, found.step), digits):",
        "if False:",
        REPEATED,
    ),
    Mutant(
        "guesses at a verified challenge do not end the repeating",
        "rules/factors/challenges.py",
        "found.step), digits):\n            return None\n",
        "found.step), digits):\n"
        "            await scope.tx.challenges.restore_step(number, challenge_id)\n            return None\n",
        REPEATED,
    ),
    Mutant(
        "a code that a page accepted is repeated by the API",
        "rules/factors/challenges.py",
        "return await self._judge(scope, attempt, digits, emit=emit)",
        "return await self._judge(scope, attempt, digits, emit=emit, repeatable=True)",
        REPEATED,
    ),
    Mutant(
        "a restore leaves results that are repeated",
        "store/queries/after_restore.py",
        "await self._db.run(FORGET_STEPS, *after, *through)",
        "pass",
        ("tests/rules/test_after_restore.py", "-k", "sqlite"),
    ),
    Mutant(
        "lost tokens are given without a limit of time",
        "rules/authentication/repeated_sign_ins.py",
        "token_hash, now - REPEAT_TIME, now + REPEAT_TIME",
        "token_hash, 0, 2**62",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "another code, challenge or API key gets the lost tokens",
        "rules/authentication/repeated_sign_ins.py",
        "if not hmac.compare_digest(stored.request, _digest(request)):",
        "if False:",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "another API key gets the lost tokens",
        "rules/authentication/repeated_sign_ins.py",
        'parts = request.client_secret or "", challenge_id,',
        "parts = challenge_id,",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "guesses at a completed sign-in do not end the repeating",
        "rules/authentication/repeated_sign_ins.py",
        "            await pending_sign_ins.forget_answer(number, token_hash)\n",
        "",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "lost tokens outlive their session",
        "rules/authentication/repeated_sign_ins.py",
        "if not await self._sessions.is_unused(scope, user, stored.session_id, stored.refresh_token):",
        "if False:",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "lost tokens outlive the factor that earned them",
        "rules/authentication/sessions.py",
        "if session.mfa_at is None and not await self._step_up.is_trusted(scope, user, session):",
        "if False:",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "lost tokens outlive the password",
        "rules/authentication/second_step.py",
        "if user is not None and password_mark(user.password_hash) == pending.password_mark:",
        "if user is not None:",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "what cannot be a code is compared under a lock",
        "rules/factors/challenges.py",
        "        locked = challenge_state.locked(record, scope.now)\n",
        "        locked = None\n",
        LIMITS,
    ),
    Mutant(
        "what cannot be a code is accepted by a used-up challenge",
        "rules/factors/challenges.py",
        "        if left <= 0:\n",
        "        if False:\n",
        LIMITS,
    ),
    Mutant(
        "an error of the API is a page",
        "http/pages/error_pages.py",
        '.partition("/")[0] not in self._api',
        '.partition("/")[0] not in ()',
        LANDING,
    ),
    Mutant(
        "the landing page cannot be turned off",
        "http/pages/landing_page.py",
        "if not settings.landing_page:",
        "if False:",
        LANDING,
    ),
    Mutant(
        "what cannot be a code writes an event at each sign-in",
        "rules/authentication/second_step.py",
        'if outcome.reason in {"code_malformed", "method_not_allowed"}:',
        "if False:",
        REPEATED_SIGN_INS,
    ),
    Mutant(
        "what cannot be a code is counted at the console",
        "rules/console/operator_sign_in.py",
        "if totp.clean_code(form.code) is None:",
        "if False:",
        ("tests/http/console/test_sign_in.py", "-k", "cannot_be_a_code"),
    ),
    Mutant(
        "what cannot be a code is audited at a confirmation",
        "rules/console/reauthentication.py",
        'if outcome is not None and outcome.reason == "code_malformed":',
        "if False:",
        ("tests/rules/test_reauthentication.py", "-k", "sqlite and cannot_be_a_code"),
    ),
    Mutant(
        "learned drift has no bound",
        "rules/factors/clock_drift.py",
        "if not second or abs(moved) > max(LEARNED_STEPS, abs(drift)):",
        "if not second:",
        DRIFT,
    ),
    Mutant(
        "one code moves the window",
        "rules/factors/clock_drift.py",
        "second = factor.last_offset == side and",
        "second = True and",
        DRIFT,
    ),
    Mutant(
        "drift never expires",
        "rules/factors/clock_drift.py",
        "if factor.drift == 0 or not settings.learn_drift or _is_unused(factor, seconds):",
        "if factor.drift == 0 or not settings.learn_drift:",
        DRIFT,
    ),
    Mutant(
        "a code that a slow clock will show is named",
        "rules/factors/clock_drift.py",
        "return None if step is None or step >= now + drift - window else step - now",
        "return None if step is None else step - now",
        DRIFTING,
    ),
    Mutant(
        "a code overwrites what a later one taught",
        "store/tables/factors.py",
        "drift = CASE WHEN last_step = $7 THEN $5 ELSE drift END,",
        "drift = CASE WHEN last_step = $7 THEN $5 ELSE $5 END,",
        DRIFTING,
    ),
    Mutant(
        "a resync is not counted",
        "rules/factors/clock_resync.py",
        "settled = attempt_limits.record_failure(record, scope.now, self._settings)",
        "settled = attempt_limits.record_success(record)",
        RESYNC,
    ),
    Mutant(
        "a resync works under a lock",
        "rules/factors/clock_resync.py",
        "await self._check_lock(scope, factor, record)",
        "pass",
        RESYNC,
    ),
    Mutant(
        "a resync takes spent codes",
        "store/tables/factors.py",
        "WHERE environment = $1 AND id = $2 AND last_step < $3 AND activated_at IS NOT NULL",
        "WHERE environment = $1 AND id = $2 AND activated_at IS NOT NULL",
        RESYNC,
    ),
    Mutant(
        "a resync spends one code",
        "store/tables/factors.py",
        "SET last_step = $3 + 1, drift = $4",
        "SET last_step = $3, drift = $4",
        RESYNC,
    ),
    Mutant(
        "a resync leaves the codes of a duplicate",
        "rules/factors/clock_resync.py",
        "if other.id != factor_id and is_duplicate(",
        "if False and is_duplicate(",
        RESYNC,
    ),
    Mutant(
        "a restore forgets that windows move",
        "rules/maintenance/after_restore.py",
        "learned = LEARNED_STEPS if self._settings.learn_drift else 0",
        "learned = 0",
        ("tests/rules/test_after_restore.py", "-k", "sqlite"),
    ),
    Mutant(
        "a recovery code works twice",
        "store/tables/recovery_codes.py",
        "AND user_id = $2 AND used_at IS NULL AND (bits",
        "AND user_id = $2 AND (bits",
        RECOVERY,
    ),
    Mutant(
        "a recovery code does not bind its user",
        "rules/factors/recovery_codes.py",
        'return f"{scope.number}\\0{user_id}\\0{code}"',
        'return f"{scope.number}\\0{code}"',
        RECOVERY,
    ),
    Mutant(
        "a recovery code does not bind its environment",
        "rules/factors/recovery_codes.py",
        'return f"{scope.number}\\0{user_id}\\0{code}"',
        'return f"{user_id}\\0{code}"',
        RECOVERY,
    ),
    Mutant(
        "a recovery code confirms a pending factor",
        "rules/factors/challenges.py",
        " or found[1].activated_at is None:",
        ":",
        RECOVERY,
    ),
    Mutant(
        "wrong recovery codes have no pace",
        "rules/factors/recovery_codes.py",
        "if not await scope.tx.throttles.charge(",
        "if await scope.tx.throttles.charge(",
        RECOVERY,
    ),
    Mutant(
        "recovery codes outlive a restore",
        "store/queries/after_restore.py",
        "DELETE FROM recovery_codes WHERE (environment",
        "DELETE FROM recovery_codes WHERE 1 = 0 AND (environment",
        RECOVERY,
    ),
    Mutant(
        "a key that recovery codes need is retired",
        "rules/maintenance/key_rotation.py",
        "if codes:",
        "if False:",
        RECOVERY,
    ),
    Mutant(
        "recovery codes outlive the last factor",
        "rules/factors/factors.py",
        "await scope.tx.recovery_codes.delete_of_user(scope.number, user_id)",
        "pass",
        RECOVERY,
    ),
    Mutant(
        "the page of an enrollment replaces recovery codes",
        "rules/links/page_sessions.py",
        "if await _has_codes(scope, page_session):",
        "if False:",
        ("tests/http/pages/test_recovery_codes.py",),
    ),
    Mutant(
        "the page of an enrollment makes codes for a factor that is being deleted",
        "rules/links/page_sessions.py",
        "await codes.lock_user(inside, user_id)",
        "await scope.tx.users.lock(inside.number, user_id)",
        ("tests/rules/test_recovery_codes.py", "-k", "deleted_meanwhile"),
    ),
    Mutant(
        "the page of an enrollment offers codes to a user who has some",
        "rules/links/page_sessions.py",
        "offers = offers and not await _has_codes(scope, page_session)",
        "await _has_codes(scope, page_session)",
        ("tests/rules/test_recovery_codes.py", "-k", "offers_codes and sqlite"),
    ),
    Mutant(
        "grace is written again",
        "store/tables/user_mfa_policies.py",
        "WHERE user_mfa_policies.grace_until IS NULL AND user_mfa_policies.grace_ended_at IS NULL",
        "WHERE user_mfa_policies.grace_ended_at IS NULL",
        ("tests/store/test_user_mfa_policies.py", "-k", "sqlite"),
    ),
    Mutant(
        "a deleted factor leaves grace",
        "rules/factors/factors.py",
        "if any(factor.activated_at is not None for factor in deleted):",
        "if False:",
        GRACE,
    ),
    Mutant(
        "a clock set back extends grace",
        "rules/authentication/user_policies.py",
        "return max(now, last_sign_in_at or 0)",
        "return now",
        GRACE,
    ),
    Mutant(
        "grace outlives its deadline when the clock is set back",
        "rules/authentication/user_policies.py",
        'await end_grace(scope, self._log, user.id, "deadline_passed")',
        "pass",
        GRACE,
    ),
    Mutant(
        "a rule without grace is evaded by an earlier deadline",
        "rules/authentication/user_policies.py",
        "return stored.grace_until if policy.grace_days or stored.grace_granted_at is not None else None",
        "return stored.grace_until",
        GRACE,
    ),
    Mutant(
        "an exemption does not end",
        "models/mfa_policies.py",
        "if self.until is None or now < self.until else",
        "if True else",
        POLICY_RULES,
    ),
    Mutant(
        "an exemption has no end",
        "rules/tenants/mfa_policies.py",
        'if policy == "exempt" and request.until is None:',
        "if False:",
        POLICY_RULES,
    ),
    Mutant(
        "an unverified email chooses a weaker policy",
        "rules/authentication/applied_policy.py",
        "if user.email_verified:",
        "if True:",
        POLICY_RULES,
    ),
    Mutant(
        "a recovery code counts although the policy leaves it out",
        "rules/factors/recovery_codes.py",
        "if names_methods(scope.environment) and not await _is_allowed(scope, user_id):",
        "if False:",
        POLICY_RULES,
    ),
    Mutant(
        "a factor of another kind completes a sign-in",
        "rules/authentication/second_step.py",
        "if not await self._step_up.accepts_factor(scope, user, factor_id):",
        "if False:",
        POLICY_RULES,
    ),
    Mutant(
        "an unknown member of a policy is accepted",
        "wire/mfa_policies.py",
        "class SetMfaPolicy(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):",
        "class SetMfaPolicy(RequestModel, frozen=True, gc=False):",
        POLICY_DOCUMENTS,
    ),
    Mutant(
        "a policy that trusts devices more counts as no weaker",
        "rules/tenants/policy_documents.py",
        "if trusts_more(self, than):",
        "if False:",
        ("tests/http/sign_in/test_policy_documents.py", "-k", "weaker"),
    ),
    Mutant(
        "the form of the policy switches trusted devices off",
        "http/pages/console/mfa_policies.py",
        "trusted_devices=kept.trusted_devices,",
        'trusted_devices="off",',
        ("tests/http/console/test_mfa_policies.py", "-k", "trusted_devices"),
    ),
    Mutant(
        "the factors page changes a factor of another user",
        "rules/links/factor_pages.py",
        "if factor is None or factor.user_id != page_session.user.id:",
        "if factor is None:",
        FACTOR_PAGES,
    ),
    Mutant(
        "the factors page forgets a device without a code",
        "rules/links/factor_pages.py",
        """await self._require_confirmed(inside, page_session)
        revoke =""",
        "revoke =",
        ("tests/rules/test_factor_page_devices.py", "-k", "sqlite"),
    ),
    Mutant(
        "the factors page lists devices that have ended",
        "rules/links/factor_pages.py",
        'if each.status == "active"]',
        "if each.status]",
        ("tests/rules/test_factor_page_devices.py", "-k", "sqlite"),
    ),
    Mutant(
        "a confirmation of the factors page never ends",
        "rules/links/factor_pages.py",
        "link.confirmed_at is not None and 0 <= now - link.confirmed_at < CONFIRMATION_LIFE",
        "link.confirmed_at is not None and 0 <= now - link.confirmed_at",
        FACTOR_PAGES,
    ),
    Mutant(
        "a clock that was set back stretches a confirmation",
        "rules/links/factor_pages.py",
        "link.confirmed_at is not None and 0 <= now - link.confirmed_at < CONFIRMATION_LIFE",
        "link.confirmed_at is not None and now - link.confirmed_at < CONFIRMATION_LIFE",
        FACTOR_PAGES,
    ),
    Mutant(
        "a pending factor confirms on the factors page",
        "rules/links/factor_pages.py",
        "active = sorted(_active(found), key=_last_used, reverse=True)",
        "active = sorted(found, key=_last_used, reverse=True)",
        FACTOR_PAGES,
    ),
    Mutant(
        "the last factor goes without a warning",
        "rules/links/factor_pages.py",
        "if not knows_last and await self._is_last(inside, factor):",
        "if False:",
        FACTOR_PAGES,
    ),
    Mutant(
        "two clicks make two sets of recovery codes",
        "rules/links/factor_pages.py",
        "if (known.created_at or 0) != replaces:",
        "if False:",
        FACTOR_PAGES,
    ),
    Mutant(
        "a page session of factors opens the enrollment page",
        "rules/links/page_sessions.py",
        'load_open(scope, link_id, secret, "enrollment", "challenge")',
        'load_open(scope, link_id, secret, "enrollment", "challenge", "factors")',
        FACTOR_PAGES,
    ),
    Mutant(
        "a page session outlives its end",
        "store/tables/links.py",
        "UPDATE links SET completed_at = $3, session_hash = NULL",
        "UPDATE links SET completed_at = $3",
        FACTOR_PAGES,
    ),
    Mutant(
        "ending other sessions ends the own one",
        "store/tables/sessions.py",
        "AND ended_at IS NULL AND id <> $4 RETURNING",
        "AND ended_at IS NULL AND $4 = $4 RETURNING",
        FACTOR_PAGES,
    ),
    Mutant(
        "an ended session is raised",
        "store/tables/sessions.py",
        "user_id = $3 AND ended_at IS NULL AND expires_at > $4",
        "user_id = $3 AND $4 = $4",
        STEP_UP,
    ),
    Mutant(
        "a session of another user is raised",
        "store/tables/sessions.py",
        "WHERE environment = $1 AND id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $4",
        "WHERE environment = $1 AND id = $2 AND $3 = $3 AND ended_at IS NULL AND expires_at > $4",
        STEP_UP,
    ),
    Mutant(
        "a repeated result raises the session again",
        "rules/factors/challenges.py",
        "await self._session_raising().require_alive(scope, found.challenge)",
        'await self._session_raising().raise_session(scope, found.challenge, attempt.factor, "totp")',
        STEP_UP,
    ),
    Mutant(
        "a recovery code raises a session without leave",
        "rules/factors/challenges.py",
        "if raising is not None and not await raising.allows_recovery(scope, challenge):",
        "if False:",
        STEP_UP,
    ),
    Mutant(
        "the challenge of a session signs in",
        "rules/authentication/second_step.py",
        "if challenge.session_id is not None:",
        "if False:",
        STEP_UP,
    ),
    Mutant(
        "a check of the age 0 is satisfied",
        "rules/authentication/session_checks.py",
        " or not required.max_age)",
        ")",
        STEP_UP,
    ),
    Mutant(
        "entering the password hides a session from a stricter policy",
        "rules/authentication/step_up.py",
        "return session.created_at <= changed",
        "return session.authenticated_at <= changed",
        STEP_UP,
    ),
    Mutant(
        "a right password within a session is accepted beyond the limit",
        "rules/authentication/session_checks.py",
        "if not await self._attempts.count(scope, user, attempt, right=True):",
        "if False:",
        STEP_UP,
    ),
    Mutant(
        "the page of a session's link raises nothing",
        "rules/links/page_sessions.py",
        "self._challenges.open(scope, factor_id, link.session_id)",
        "self._challenges.open(scope, factor_id)",
        ("tests/rules/test_session_links.py", "-k", "sqlite"),
    ),
    Mutant(
        "imported recovery codes of few bits are guessed without a count",
        "rules/factors/challenges.py",
        "if bits < recovery_code.ENOUGH_BITS:",
        "if False:",
        IMPORTED,
    ),
    Mutant(
        "an imported recovery code of few bits is spent under a lock",
        "store/tables/recovery_codes.py",
        " AND (bits IS NULL OR bits >= $5)",
        " AND $5 >= 0",
        IMPORTED,
    ),
    Mutant(
        "a set of few bits is imported in the form of codes made here",
        "rules/factors/imported_recovery_codes.py",
        "if bits < recovery_code.ENOUGH_BITS:",
        "if False:",
        IMPORTED,
    ),
    Mutant(
        "an import makes used recovery codes good again",
        "store/tables/recovery_codes.py",
        "kept = {digest for digests in codes for digest in digests} & used",
        "kept = set[str]()",
        IMPORTED,
    ),
    Mutant(
        "an import after a key rotation makes used recovery codes good again",
        "store/tables/recovery_codes.py",
        "for digests in codes for digest in digests}",
        "for digests in codes for digest in digests[-1:]}",
        IMPORTED,
    ),
    Mutant(
        "an imported recovery code is spent on a closed challenge",
        "rules/factors/recovery_codes.py",
        "settled)\n        if not await tx.challenges.close(number, challenge.id, scope.now):",
        "settled)\n        if False:",
        ("tests/rules/test_imported_recovery_codes.py", "-k", "short_code and postgres"),
    ),
    Mutant(
        "six digits are imported as a recovery code",
        "otp/recovery_code.py",
        "SHORTEST_IMPORTED: Final = 8",
        "SHORTEST_IMPORTED: Final = 6",
        IMPORTED,
    ),
    Mutant(
        "any text of a code's shape costs a signature",
        "rules/authentication/second_step.py",
        "                typed = None\n",
        "                pass\n",
        ("tests/http/sign_in/test_imported_recovery_codes.py",),
    ),
    Mutant(
        "a device's token works twice",
        "store/tables/trusted_devices.py",
        "WHERE environment = $1 AND token_hash = $2 AND spent_at IS NULL",
        "WHERE environment = $1 AND token_hash = $2",
        DEVICES,
    ),
    Mutant(
        "a trusted device's token is judged as a code",
        "rules/factors/challenges.py",
        'if typed is not None and typed.method == "trusted_device":',
        "if False:",
        DEVICES,
    ),
    Mutant(
        "a device's mark is not compared",
        "rules/authentication/trusted_device_tokens.py",
        'return "active" if self._vault.has_made(device.mark, _PURPOSE, bound) else "ended"',
        'return "active"',
        DEVICES,
    ),
    Mutant(
        "a device's mark does not bind its user",
        "rules/authentication/trusted_device_tokens.py",
        'return "\\0".join((str(scope.number), user.id, device_id,',
        'return "\\0".join((str(scope.number), device_id,',
        DEVICES,
    ),
    Mutant(
        "a spent token of a device is answered for ever",
        "rules/authentication/trusted_device_tokens.py",
        " or scope.now - row.spent_at > GRACE:",
        ":",
        DEVICES,
    ),
    Mutant(
        "an older token of a device is answered",
        "rules/authentication/trusted_device_tokens.py",
        "return None if successor is None or successor.spent_at is not None else token",
        "return None if successor is None else token",
        DEVICES,
    ),
    Mutant(
        "a stolen device's sessions go on",
        "rules/authentication/trusted_device_tokens.py",
        "await self._end_sessions(scope, device.user_id, device.id)",
        "pass",
        DEVICES,
    ),
    Mutant(
        "devices from before they were off are trusted",
        "rules/authentication/trusted_device_tokens.py",
        " or device.created_at < since:",
        ":",
        DEVICES,
    ),
    Mutant(
        "a recovery code makes a trusted device",
        "rules/authentication/trusted_devices.py",
        'frozenset({"otp", "sms", "pop"})',
        'frozenset({"otp", "sms", "pop", "recovery_code"})',
        DEVICES,
    ),
    Mutant(
        "a trusted device makes another",
        "rules/authentication/trusted_devices.py",
        " and session.trusted_device_id is None\n",
        "\n",
        DEVICES,
    ),
    Mutant(
        "an old code makes a trusted device",
        "rules/authentication/trusted_devices.py",
        " or now - session.mfa_at > PROOF_LIFE:",
        ":",
        DEVICES,
    ),
    Mutant(
        "a trusted device meets the step-up of a refresh",
        "rules/authentication/trusted_sign_in.py",
        "if prepared is None or pending.session_id is not None:",
        "if prepared is None:",
        DEVICES,
    ),
    Mutant(
        "a session outlives its trusted device",
        "rules/authentication/step_up.py",
        "if session.trusted_device_id is not None:",
        "if False:",
        DEVICES,
    ),
    Mutant(
        "trusted devices outlive a recovery code",
        "rules/factors/recovery_codes.py",
        'await end_devices(scope, self._log, user_id, "recovery_code_used")',
        "pass",
        DEVICES,
    ),
    Mutant(
        "trusted devices outlive a password that is changed back",
        "rules/tenants/users.py",
        'await end_devices(scope, self._log, user_id, "password_changed")',
        "pass",
        DEVICES,
    ),
    Mutant(
        "a trusted device comes back when an added factor is deleted",
        "rules/factors/factors.py",
        "await self._end_trusted_devices(scope, factor.user_id)",
        "pass",
        DEVICES,
    ),
    Mutant(
        "trusted devices outlive a restore",
        "store/queries/after_restore.py",
        "UPDATE trusted_devices SET ended_at = $5 WHERE {_BETWEEN}",
        "UPDATE trusted_devices SET ended_at = $5 WHERE 1 = 0 AND {_BETWEEN}",
        DEVICES,
    ),
    Mutant(
        "the page that raises a session offers to trust the browser",
        "rules/links/trusted_browsers.py",
        " and link.session_id is None\n",
        "\n",
        BROWSERS,
    ),
    Mutant(
        "a recovery code trusts the browser",
        "rules/links/trusted_browsers.py",
        ' or link.method != "totp":',
        ":",
        BROWSERS,
    ),
]


def mutated(mutant: Mutant) -> str:
    """Return the file without the guard. Raises `LookupError` when the text is not in the file."""
    text = (ROOT / SOURCE / mutant.file).read_text(encoding="utf-8")
    if mutant.old not in text:
        raise LookupError(f"{mutant.name}: {mutant.file} has changed; update the mutant")
    return text.replace(mutant.old, mutant.new)


def run(mutant: Mutant) -> tuple[bool, float, str]:
    """Run a mutant's tests on a copy; return whether one failed, the seconds, and the failure's line."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="authfactor-mutant-") as folder:
        copy = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for part in ("src", "tests", "docs", "tools"):
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / SOURCE / mutant.file).write_text(mutated(mutant), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": f"{copy / 'src'}:{copy}"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # Exit code 1 means that tests ran and failed; any other (no tests, a broken import) proves nothing.
    return done.returncode == 1, time.monotonic() - started, lines[0] if lines else done.stdout[-200:]


def main() -> int:
    """Run the selected mutants, print a table, and return 1 if one survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--check", action="store_true", help="only check that each still applies")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default 2)")
    chosen = parser.parse_args()
    mutants = [each for each in MUTANTS if not chosen.names or any(n in each.name for n in chosen.names)]
    if chosen.list or chosen.check:
        for mutant in mutants:
            mutated(mutant)
            print(mutant.name)
        return 0
    passed, started = 0, time.monotonic()
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for mutant, (noticed, seconds, line) in zip(mutants, pool.map(run, mutants), strict=True):
            passed += noticed
            print(
                f"{'caught' if noticed else 'MISSED':<7} {seconds:5.1f} s  {mutant.name:<48} {line[:110]}",
                flush=True,
            )
    print(f"caught: {passed} of {len(mutants)}, in {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {len(mutants) - passed} failed")
    return 0 if passed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
