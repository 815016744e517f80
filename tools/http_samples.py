"""Write samples for the endpoints that no SDK has a method for, in each language's own HTTP client.

The sample with curl says what is sent. The values that a sample takes are variables that its reader has;
address and key come from the environment.
"""

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from authfactor.reference import Endpoint
from tools.curl_requests import Request, Value, Variable, read

WIDTH: Final = 88


def snake(name: str) -> str:
    """Leave a name in snake case, as Python and Ruby write it."""
    return name


def camel(name: str) -> str:
    """Write a name in camel case."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def camel_with_id(name: str) -> str:
    """Write a name in camel case as Go does: `userID`."""
    return re.sub(r"(Id|Url)$", lambda match: match[1].upper(), camel(name))


@dataclass(frozen=True, slots=True)
class Notation:
    """How a language writes the values of a JSON document."""

    name: Callable[[str], str]  # of a variable
    pair: str
    braces: tuple[str, str]
    brackets: tuple[str, str] = ("[", "]")
    words: tuple[str, str, str] = ("true", "false", "null")
    last_comma: bool = True
    aligned: bool = False  # values of a document over several lines, as gofmt does

    def write(self, value: Value, indent: int = 0) -> str:
        """Write a value, on one line where it fits behind `indent` columns."""
        if isinstance(value, Variable):
            return self.name(value.name)
        if isinstance(value, dict):
            items = {name: self.write(below, indent + 4) for name, below in value.items()}
            return self._joined(self.braces, [self._pair(*item) for item in items.items()], indent, [*items])
        if isinstance(value, list):
            return self._joined(self.brackets, [self.write(one, indent + 4) for one in value], indent)
        if value is None or isinstance(value, bool):
            return self.words[2 if value is None else 1 - value]
        return json.dumps(value, ensure_ascii=False)

    def _pair(self, name: str, text: str) -> str:
        if self.name is camel and self.pair == "{}: {}" and text == name:
            return text
        return self.pair.format(name, text)

    def _joined(
        self, around: tuple[str, str], items: list[str], indent: int, names: Sequence[str] = ()
    ) -> str:
        line = around[0] + ", ".join(items) + around[1]
        if len(line) + indent <= WIDTH and "\n" not in line:
            return line
        if self.aligned:
            width = max(map(len, names), default=0)
            for at, name in enumerate(names):
                items[at] = items[at].replace(": ", ":" + " " * (1 + width - len(name)), 1)
        inner = textwrap.indent(",\n".join(items), "    ")
        return f"{around[0].rstrip()}\n{inner}{',' if self.last_comma else ''}\n{around[1].lstrip()}"


JS: Final = Notation(camel, "{}: {}", ("{ ", " }"))
PYTHON: Final = Notation(snake, '"{}": {}', ("{", "}"), words=("True", "False", "None"))
GO: Final = Notation(
    camel_with_id,
    '"{}": {}',
    ("map[string]any{", "}"),
    ("[]any{", "}"),
    ("true", "false", "nil"),
    aligned=True,
)
PHP: Final = Notation(lambda name: f"${camel(name)}", '"{}" => {}', ("[", "]"))
RUBY: Final = Notation(snake, "{}: {}", ("{ ", " }"), words=("true", "false", "nil"), last_comma=False)


def _token(request: Request, notation: Notation, environment: str) -> str:
    """Write the bearer token: an environment variable, or a value that the reader has."""
    if isinstance(request.key, Variable):
        return notation.name(request.key.name)
    return environment


def _in_path(request: Request, form: str, name: Callable[[str], str]) -> str:
    """Write the path inside of a text, its variables by `form`."""
    return "".join(
        form.format(name(part.name)) if isinstance(part, Variable) else part for part in request.path
    )


def _chained(request: Request, name: Callable[[str], str], glue: str) -> str:
    """Write the path as texts and variables chained by `glue`."""
    return glue.join(name(part.name) if isinstance(part, Variable) else f'"{part}"' for part in request.path)


def js(request: Request, prints: str) -> str:
    headers = []
    if request.key:
        token = _token(request, JS, "process.env.API_KEY")
        headers.append(f"Authorization: `Bearer ${{{token}}}`,")
    if request.body is not None:
        headers.append('"Content-Type": "application/json",')
    headers += [f'"{name}": "{value}",' for name, value in request.headers]
    url = _in_path(request, "${{{}}}", camel)
    if request.query:
        url += f"?${{new URLSearchParams({JS.write(dict(request.query))})}}"
    options = [] if request.method == "GET" else [f'method: "{request.method}",']
    if len(headers) == 1:
        options.append(f"headers: {{ {headers[0][:-1]} }},")
    elif headers:
        options.append("headers: {\n" + textwrap.indent("\n".join(headers), "  ") + "\n},")
    if request.body is not None:
        options.append(f"body: JSON.stringify({JS.write(request.body, 24)}),".replace("    ", "  "))
    written = ", {\n" + textwrap.indent("\n".join(options), "  ") + "\n}" if options else ""
    lines = [
        f"const answer = await fetch(`${{process.env.BASE_URL}}{url}`{written});",
        "if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);",
    ]
    if prints:
        lines += ["", f"console.log(await answer.{prints}());"]
    return "\n".join(lines)


def python(request: Request, prints: str) -> str:
    given = [f"f\"{{os.environ['BASE_URL']}}{_in_path(request, '{{{}}}', snake)}\","]
    if request.query:
        given.append(f"params={PYTHON.write(dict(request.query), 11)},")
    headers = dict(request.headers)
    token = _token(request, PYTHON, "os.environ['API_KEY']")
    written = [f'"Authorization": f"Bearer {{{token}}}"'] if request.key else []
    written += [f'"{name}": "{value}"' for name, value in headers.items()]
    if written:
        given.append(f"headers={{{', '.join(written)}}},")
    if request.body is not None:
        given.append(f"json={PYTHON.write(request.body, 9)},")
    call = f"answer = httpx.{request.method.lower()}("
    lines = ["import os", "", "import httpx", ""]
    one = call + " ".join(given)[:-1] + ")"
    if len(one) <= WIDTH and "\n" not in one:
        lines.append(one)
    else:
        lines += [call, textwrap.indent("\n".join(given), "    "), ")"]
    lines.append("answer.raise_for_status()")
    if prints:
        lines += ["", "print(answer.json())" if prints == "json" else "print(answer.text)"]
    return "\n".join(lines)


def go(request: Request, prints: str) -> str:
    lines, body = [], "nil"
    failed = "if err != nil {\n\treturn err\n}"
    if request.body is not None:
        lines += [f"body, err := json.Marshal({GO.write(request.body, 26)})".replace("    ", "\t"), failed]
        body = "bytes.NewReader(body)"
    address = f'os.Getenv("BASE_URL") + {_chained(request, camel_with_id, " + ")}'
    if request.query:
        pairs = ", ".join(f'"{name}": {{{GO.write(value)}}}' for name, value in request.query)
        lines.append(f"query := url.Values{{{pairs}}}")
        address += ' + "?" + query.Encode()'
    method = f"http.Method{request.method.capitalize()}"
    lines += [
        f"address := {address}",
        f"request, err := http.NewRequestWithContext(ctx, {method}, address, {body})",
        failed,
    ]
    if request.key:
        token = _token(request, GO, 'os.Getenv("API_KEY")')
        lines.append(f'request.Header.Set("Authorization", "Bearer "+{token})')
    if request.body is not None:
        lines.append('request.Header.Set("Content-Type", "application/json")')
    lines += [f'request.Header.Set("{name}", "{value}")' for name, value in request.headers]
    lines += [
        "answer, err := http.DefaultClient.Do(request)",
        failed,
        "defer answer.Body.Close()",
        "if answer.StatusCode >= 400 {\n\treturn errors.New(answer.Status)\n}",
    ]
    lines += ["", "_, err = io.Copy(os.Stdout, answer.Body)", "return err"] if prints else ["return nil"]
    return "\n".join(lines).replace("\t", "    ")


def php(request: Request, prints: str) -> str:
    url = f'getenv("BASE_URL") . {_chained(request, PHP.name, " . ")}'
    if request.query:
        url += f' . "?" . http_build_query({PHP.write(dict(request.query))})'
    headers = []
    if request.key:
        headers.append('"Authorization: Bearer " . ' + _token(request, PHP, 'getenv("API_KEY")'))
    if request.body is not None:
        headers.append('"Content-Type: application/json"')
    headers += [f'"{name}: {value}"' for name, value in request.headers]
    options = [] if request.method == "GET" else [f'CURLOPT_CUSTOMREQUEST => "{request.method}",']
    if len(headers) == 1:
        options.append(f"CURLOPT_HTTPHEADER => [{headers[0]}],")
    elif headers:
        inner = textwrap.indent(",\n".join(headers), "    ")
        options.append(f"CURLOPT_HTTPHEADER => [\n{inner},\n],")
    if request.body is not None:
        options.append(f"CURLOPT_POSTFIELDS => json_encode({PHP.write(request.body, 40)}),")
    options += ["CURLOPT_FAILONERROR => true,", "CURLOPT_RETURNTRANSFER => true,"]
    lines = [
        f"$curl = curl_init({url});",
        "curl_setopt_array($curl, [",
        textwrap.indent("\n".join(options), "    "),
        "]);",
        "$answer = curl_exec($curl);",
        "if ($answer === false) {",
        "    throw new RuntimeException(curl_error($curl));",
        "}",
    ]
    if prints:
        lines += ["", "echo $answer;"]
    return "\n".join(lines)


def ruby(request: Request, prints: str) -> str:
    url = f'#{{ENV.fetch("BASE_URL")}}{_in_path(request, "#{{{}}}", snake)}'
    lines = ['require "json"'] if request.body is not None else []
    lines += ['require "net/http"', "", f'target = URI("{url}")']
    if request.query:
        pairs = RUBY.write(dict(request.query)).removeprefix("{ ").removesuffix(" }")
        lines.append(f"target.query = URI.encode_www_form({pairs})")
    lines.append(f"request = Net::HTTP::{request.method.capitalize()}.new(target)")
    if request.key:
        token = _token(request, RUBY, 'ENV.fetch("API_KEY")')
        lines.append(f'request["Authorization"] = "Bearer #{{{token}}}"')
    if request.body is not None:
        lines.append('request["Content-Type"] = "application/json"')
    lines += [f'request["{name}"] = "{value}"' for name, value in request.headers]
    if request.body is not None:
        lines.append(f"request.body = JSON.generate({RUBY.write(request.body, 29)})".replace("    ", "  "))
    lines += [
        'answer = Net::HTTP.start(target.hostname, target.port, use_ssl: target.scheme == "https") do |http|',
        "  http.request(request)",
        "end",
        "answer.value # raises an error unless the status is 2xx",
    ]
    if prints:
        lines += ["", "puts answer.body"]
    return "\n".join(lines)


def java(request: Request, prints: str) -> str:
    lines, publisher = [], "HttpRequest.BodyPublishers.noBody()"
    if request.body is not None:
        lines += _java_body(request)
        publisher = "HttpRequest.BodyPublishers.ofString(body)"
    url = f'System.getenv("BASE_URL") + {_chained(request, camel, " + ")}'
    for at, (name, value) in enumerate(request.query):
        text = f'"{"&" if at else "?"}{name}="'
        shown = camel(value.name) if isinstance(value, Variable) else json.dumps(value)
        url += f" + {text} + URLEncoder.encode({shown}, StandardCharsets.UTF_8)"
    lines += [f"URI target = URI.create({url});", "HttpRequest request = HttpRequest.newBuilder(target)"]
    if request.key:
        token = camel(request.key.name) if isinstance(request.key, Variable) else 'System.getenv("API_KEY")'
        lines.append(f'    .header("Authorization", "Bearer " + {token})')
    if request.body is not None:
        lines.append('    .header("Content-Type", "application/json")')
    lines += [f'    .header("{name}", "{value}")' for name, value in request.headers]
    if request.method != "GET":
        lines.append(f'    .method("{request.method}", {publisher})')
    lines += [
        "    .build();",
        "HttpResponse<String> answer = HttpClient.newHttpClient()",
        "    .send(request, HttpResponse.BodyHandlers.ofString());",
        "if (answer.statusCode() >= 400) {",
        '  throw new IOException(answer.statusCode() + ": " + answer.body());',
        "}",
    ]
    if prints:
        lines += ["", "System.out.println(answer.body());"]
    return "\n".join(lines)


def _java_body(request: Request) -> list[str]:
    """Write the JSON document as a text with places for the variables."""
    documents = request.documents
    marked = Notation(
        lambda name: "%s" if name in documents else '"%s"', '"{}": {}', ("{", "}"), last_comma=False
    )
    text = textwrap.indent(marked.write(request.body), "    ")
    names: list[str] = []

    def collect(value: Value) -> None:
        if isinstance(value, Variable):
            names.append(camel(value.name))
        for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(below)

    collect(request.body)
    formatted = f".formatted({', '.join(names)})" if names else ""
    return ['String body = """', text, f'    """{formatted};']


# Pages of what browsers request and not the application.
BROWSERS: Final = frozenset({"begin_sign_in"})

WRITERS: Final[Mapping[str, Callable[[Request, str], str]]] = {
    "js": js,
    "python": python,
    "go": go,
    "php": php,
    "ruby": ruby,
    "java": java,
}


def languages(page: Endpoint) -> list[str]:
    """Name the languages that a page's sample is written in here: all without an SDK's sample.

    None, if samples with the SDKs of more languages than JavaScript and Python are written.
    """
    if page.name in BROWSERS:
        return []
    sdks = {name for name, method in page.reference.items() if name != "curl" and method.title != "httpx"}
    if sdks - {"js", "python"}:
        return []
    return [language for language in WRITERS if language not in page.reference]


def write(language: str, page: Endpoint, curl: str) -> str:
    """Write the sample that sends what the page's sample with curl sends, and prints the response's body."""
    request = read(curl)
    prints = "json" if page.http.returns else "text" if request.method == "GET" else ""
    return WRITERS[language](request, prints)
