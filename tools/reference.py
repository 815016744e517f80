"""Write docs/reference/ from the code: errors, settings, endpoints and the command line.

Usage: python tools/reference.py [--into FOLDER] [--check]

`--check` writes nothing; it prints the pages that differ from the code and exits with 1 if there are any.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import click
import msgspec

from authfactor import email_errors, errors, reference, settings
from authfactor.cli import app, exit_codes
from authfactor.http import error_responses
from authfactor.http.api import health
from authfactor.http.api.routes import documented
from authfactor.http.app import all_routes
from authfactor.http.routing import Route
from authfactor.http.telemetry import log_setup, metric_names
from authfactor.rules.authentication import applied_policy
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS
from authfactor.rules.email_flows import email_verifications, invitations
from authfactor.rules.events import event_log
from authfactor.settings import reading
from authfactor.wire import responses

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "src" / "authfactor"
NOTE: Final = "<!-- Written by `make reference` from the code. Change the code, not this page. -->\n"
WIDTH: Final = 100


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """Return text as Markdown code; an empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def page(title: str, *paragraphs: str) -> str:
    """Return a page with its title, the note on its origin, and paragraphs."""
    return "\n\n".join([f"# {title}", NOTE.rstrip(), *paragraphs]) + "\n"


# --- errors ---


def summary(kind: type) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())


def family(kind: type[errors.AuthfactorError]) -> Iterator[type[errors.AuthfactorError]]:
    """Yield the classes that `errors` defines below this one, in the order of the module."""
    for below in kind.__subclasses__():
        if below.__module__ in {errors.__name__, email_errors.__name__}:
            yield below
            yield from family(below)


def status_of(kind: type[errors.AuthfactorError]) -> int:
    """Return the status of the class or of its nearest base that has one."""
    return next(error_responses.STATUSES[base] for base in kind.__mro__ if base in error_responses.STATUSES)


def first_words(node: ast.expr) -> str | None:
    """Return a text argument, with the expression in braces for a part that varies; None otherwise."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        ]
        return "".join(parts).replace("{field.encode_name}", "{field}")
    return None


def calls(name: str, argument: int) -> list[str]:
    """Return the texts that the package passes as one argument to a class of this name, sorted."""
    found: set[str] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                text = first_words(node.args[argument]) if len(node.args) > argument else None
                if text is not None:
                    found.add(text)
    return sorted(found)


def password_codes() -> list[str]:
    """Return the codes of refused passwords: the pairs of code and text in `passwords`."""
    tree = ast.parse((PACKAGE / "crypto/passwords.py").read_text(encoding="utf-8"))
    pairs = [node.elts[0] for node in ast.walk(tree) if isinstance(node, ast.Tuple) and node.elts]
    found = [text for text in map(first_words, pairs) if text is not None]
    return [text for text in found if text.startswith("password_")]


# Codes that a table or a condition of the rules chooses.
CHOSEN_CODES: Final[dict[type[errors.AuthfactorError], Iterable[str]]] = {
    errors.SignInRefused: [refusal[0] for refusal in CODE_REFUSALS.values()],
    email_errors.EmailVerificationRequired: ["email_verification_required"],
    email_errors.SignInMethodOff: [applied_policy.PASSWORD_OFF, applied_policy.METHOD_OFF],
    email_errors.MailedCodeRefused: [refusal[0] for refusal in email_verifications.REFUSALS.values()],
    email_errors.InvitationRefused: [
        invitations.NOT_PENDING[0],
        *(refusal[0] for refusal in invitations.RESEND_REFUSALS.values()),
    ],
}


def error_rows() -> list[list[str]]:
    """Return a row per error; a class whose code is passed when it is raised has a row per code."""
    rows = []
    for kind in dict.fromkeys(family(errors.AuthfactorError)):
        codes = [kind.code] if "code" in vars(kind) else calls(kind.__name__, 0)
        codes = sorted({*codes, *CHOSEN_CODES.get(kind, ())})
        rows += [[code(name), str(status_of(kind)), kind.__name__, summary(kind)] for name in codes]
    limit = errors.SendLimitReached
    rows.append([code(error_responses.QUOTA), "429", limit.__name__, f"{summary(limit)} In the WorkOS API."])
    base = errors.AuthfactorError
    return [
        *rows,
        [code(base.code), str(status_of(base)), base.__name__, "An internal error; the log has the details."],
    ]


def errors_page() -> str:
    """Return the page of error codes."""
    reasons = [
        name
        for option in get_args(get_type_hints(responses.VerifyResponse)["reason"])
        for name in get_args(option)
    ]
    return page(
        "Errors",
        "Every error body has `message`, for people, and `code`, for programs. Only a 401 has no `code`."
        " A wrong code from an authenticator is not an error: the response is 201 with `valid` false"
        " and a `reason`.",
        table(["code", "status", "class", "meaning"], error_rows()),
        "## Items of a refused request",
        "A 422 may carry `errors`, one item for each broken rule: `field`, `code`, `message`."
        " In a code below, `{field}` is the name of the field.",
        "\n".join(f"- {code(name)}" for name in sorted([*calls("Item", 1), *password_codes()])),
        "## Reasons of a code that is not valid",
        "\n".join(f"- {code(name)}" for name in reasons),
    )


# --- settings ---


def shown(default: object) -> str:
    """Return a default as it is written in a settings file."""
    return str(default).lower() if isinstance(default, bool) else str(default)


def bounds(item: Any) -> str:  # noqa: ANN401 - a dataclass field
    """Return a setting's allowed values."""
    said = item.metadata
    if said["choices"]:
        return ", ".join(code(choice) for choice in said["choices"])
    if item.type is bool:
        return f"{code('true')}, {code('false')}"
    if item.type is not int:
        return "a path" if item.type is Path else "text"
    most = f" to {said['maximum']}" if said["maximum"] is not None else " or more"
    return f"{said['minimum']}{most}"


def settings_page() -> str:
    """Return the page of settings, with their environment variables, defaults and limits."""
    rows = []
    for item in fields(settings.Settings):
        about = item.metadata["about"] + (" Secret: never shown." if item.metadata["secret"] else "")
        rows.append(
            [
                code(settings.PREFIX + item.name.upper()),
                code(shown(item.default)) or "empty",
                bounds(item),
                item.metadata["unit"],
                "yes" if item.metadata["reload"] else "",
                about,
            ]
        )
    secrets = [
        code(f"{settings.PREFIX}{item.name.upper()}_FILE")
        for item in fields(settings.Settings)
        if item.metadata["secret"]
    ]
    return page(
        "Settings",
        "A value comes from the default, then one TOML file (lower-case names without"
        f" `{settings.PREFIX}`), then the environment, then the command line. The last one wins."
        " An unknown name prevents the start.",
        f"The file is the one given with `--config`, else the one that `{reading.FILE_VARIABLE}` names, else"
        f" `{reading.FILE_NAME}` in the folder where the command runs. `authfactor config show` prints every"
        " value and its origin, `authfactor config check` whether a server could start.",
        "SIGHUP makes a running server read its settings again. Those marked *reload* and the TLS files take"
        " effect at once; other changed settings are logged and take effect when the processes are replaced.",
        "A secret's variable with `_FILE` at its end names a file that has the value, as container platforms"
        f" mount secrets: {', '.join(secrets)}. White space around the value is ignored; a file that cannot"
        " be read or is empty prevents the start, and so do both variables at once.",
        table(["variable", "default", "values", "unit", "reload", "about"], rows),
    )


# --- endpoints ---


def fields_of(shape: type | None) -> str:
    """Return the names of a body's fields."""
    if shape is None:
        return ""
    return ", ".join(code(item.encode_name) for item in msgspec.structs.fields(shape))


def endpoint(route: Route, *, keyless: bool) -> str:
    """Return the section of one endpoint; `keyless` means that its whole tag needs no API key."""
    key = "" if route.needs_key or keyless else "not needed"
    facts = [
        ("API key", key),
        ("body", fields_of(route.takes)),
        ("query", ", ".join(code(name) for name in route.query)),
    ]
    facts += [
        ("answer", str(route.status)),
        ("refusals", ", ".join(str(status) for status in refusals(route))),
    ]
    lines = [f"- {name}: {text}" for name, text in facts if text]
    return f"### `{route.method} {route.path}`\n\n{route.summary}.\n\n".replace("?.", "?") + "\n".join(lines)


def refusals(route: Route) -> list[int]:
    """Return the statuses of a route's refusals, with 401 where it needs an API key."""
    return sorted({*route.refusals, *([401] if route.needs_key else [])})


def endpoints_page() -> str:
    """Return the page of endpoints, by tag."""
    routes = [*documented(), *health.routes(documented)]
    paragraphs = []
    for tag in dict.fromkeys(route.tag for route in routes):
        paragraphs.append(f"## {tag.capitalize()}")
        keyless = not any(route.needs_key for route in routes if route.tag == tag)
        if keyless:
            paragraphs.append("These need no API key.")
        paragraphs += [endpoint(route, keyless=keyless) for route in routes if route.tag == tag]
    return page(
        "Endpoints",
        "Send the API key as `Authorization: Bearer sk_…` and bodies as JSON. The running server describes"
        " itself in full at `GET /openapi.json`. The codes behind the statuses are in [errors](errors.md).",
        *paragraphs,
    )


# --- command line ---


def helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """Yield the help of a command and of its subcommands, as shown in a terminal."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **command.context_settings,
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## `{context.command_path}`\n\n```text\n{text}\n```"
    for below, found in getattr(command, "commands", {}).items():
        yield from helps(found, below, context)


def cli_page() -> str:
    """Return the page of commands with their help, and of exit codes."""
    about, _, listed = (exit_codes.__doc__ or "").partition("\n\n")
    codes = re.findall(r"(\d) ([^·\d]+)", listed)
    return page(
        "Command line",
        "Options that come before the command (`--data`, `--json`, …) hold for every command.",
        "## Exit codes",
        about,
        table(["code", "meaning"], [[number, " ".join(meaning.split())] for number, meaning in codes]),
        *helps(app, "authfactor"),
    )


# --- monitoring ---


def metrics_page() -> str:
    """Return the page of metrics."""
    rows = [
        [code(name), kind, ", ".join(map(code, labels)), about]
        for name, kind, labels, about in metric_names.described([route.name for route in all_routes()])
    ]
    return page(
        "Metrics",
        "`GET /metrics` in the format of Prometheus, on a separate port (`metrics_port`) or, with a token"
        " (`metrics_token`), on the API's. The metrics cover all processes of the server, including exited"
        " ones. A label `route` is method and path as in"
        " [endpoints](endpoints.md).",
        table(["metric", "kind", "labels", "about"], rows),
    )


def logs_page() -> str:
    """Return the page of a log line's fields."""
    return page(
        "Log lines",
        "Lines go to standard error: JSON, or for people on a terminal (`log_format`). A field that is not in"
        " this list is dropped; in texts, what looks like a credential is removed. Bodies are never logged.",
        table(["field", "about"], [[code(name), about] for name, about in log_setup.FIELDS.items()]),
        "Request lines (`log_requests`) are buffered for a tenth of a second and written together.",
        "A reader that stalls stops no request: about a megabyte of text waits in each process. Further lines"
        " are dropped, counted in `authfactor_log_lines_dropped_total`, and reported by a line when the"
        " reader continues. A process that exits waits a second for it.",
    )


def event_names() -> list[str]:
    """Return the names of events that `rules/events/event_log` defines."""
    return [value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str)]


def event_section(name: str) -> str:
    """Return the section of an event: when it is written, and the JSON that applications get."""
    shown = json.dumps(reference.event_examples()[name], indent=2, ensure_ascii=False)
    return f"## {code(name)}\n\n{reference.events()[name].description}\n\n```json\n{shown}\n```"


def events_page() -> str:
    """Return the page of events, with an example of each that was recorded from a real call."""
    return page(
        "Events",
        "Written in the same transaction as their cause, kept for `event_life`, listed by `GET /events`, and"
        " delivered to webhook endpoints. Names under `authfactor.` are specific to this product.",
        "The body of a webhook request is one event, as below. Its signature is in the header"
        " `WorkOS-Signature`; official SDKs verify it. An event may be delivered more than once, so compare"
        " its `id`. Fields may be added; `context` is empty.",
        "\n".join(f"- [{code(name)}](#{name.replace('.', '')})" for name in event_names()),
        *map(event_section, event_names()),
    )


def pages() -> dict[str, str]:
    """Return all pages by file name."""
    return {
        "errors.md": errors_page(),
        "settings.md": settings_page(),
        "endpoints.md": endpoints_page(),
        "cli.md": cli_page(),
        "metrics.md": metrics_page(),
        "logs.md": logs_page(),
        "events.md": events_page(),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "reference")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    stale = []
    for name, text in pages().items():
        path = chosen.into / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not chosen.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'stale (run: make reference)' if chosen.check else 'written'}: {path}")
    return 1 if chosen.check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
