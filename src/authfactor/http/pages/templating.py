"""Jinja templates, with autoescaping; loaded after start-up."""

import asyncio
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authfactor.http.pages import assets, translations

if TYPE_CHECKING:
    import jinja2
    import markupsafe

# Compiling a template takes up to 20 ms, during which the thread mostly holds the interpreter lock.
PAUSE_SECONDS: Final = 0.03
FOLDER: Final = Path(__file__).parent / "templates"
HTMX_CONFIG: Final = (
    '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,'
    '"historyCacheSize":0,"refreshOnHistoryMiss":true}'
)


@functools.cache
def environment() -> "jinja2.Environment":
    """Return the Jinja environment. Importing Jinja takes as long as hundreds of API calls."""
    import jinja2  # noqa: PLC0415 - see above

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    env.globals.update(asset=assets.url, languages=translations.LANGUAGES, htmx=_htmx_script)
    return env


def _htmx_script() -> "markupsafe.Markup":
    """Return the script tag of htmx, configured without history and without inline styles and eval."""
    import markupsafe  # noqa: PLC0415 - loaded with Jinja

    script = f'<script src="{assets.url("htmx.min.js")}" defer></script>'
    return markupsafe.Markup(f"<meta name=\"htmx-config\" content='{HTMX_CONFIG}'>{script}")  # noqa: S704 - constants


# Otherwise every one of the first requests at once would compile all templates.
_compiling: Final = threading.Lock()


def _compile_once() -> None:
    with _compiling:
        _compile_all()


@functools.cache
def _compile_all() -> bool:
    env = environment()
    for name in env.list_templates():
        env.get_template(name)
    assets.files()
    return True


async def load() -> None:
    """Compile every template, once, in a thread, so that the event loop is not blocked."""
    if not _compile_all.cache_info().currsize:
        await asyncio.to_thread(_compile_once)


async def prepare() -> None:
    """Compile every template in advance, with pauses, so that no request waits long."""
    env = await asyncio.to_thread(environment)
    for name in env.list_templates():
        await asyncio.to_thread(env.get_template, name)
        await asyncio.sleep(PAUSE_SECONDS)
    await load()


def render(template: str, **names: object) -> bytes:
    """Render a template with variables; returns UTF-8."""
    return environment().get_template(template).render(names).encode()
