"""The templates: one environment, made at the first page and kept; everything is escaped."""

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authfactor.http.pages import assets, translations

if TYPE_CHECKING:
    import jinja2
    import markupsafe

# Compiling one takes up to 20 ms, in which a thread leaves others little room.
PAUSE_SECONDS: Final = 0.03
FOLDER: Final = Path(__file__).parent / "templates"
HTMX_CONFIG: Final = (
    '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,'
    '"historyCacheSize":0,"refreshOnHistoryMiss":true}'
)


@functools.cache
def environment() -> "jinja2.Environment":
    """Make the environment. Importing the library alone takes as long as hundreds of API calls."""
    import jinja2  # noqa: PLC0415 - see above

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals.update(asset=assets.url, languages=translations.LANGUAGES, htmx=_htmx)
    return made


def _htmx() -> "markupsafe.Markup":
    """Load htmx, told to do without what the policy forbids (inline styles, eval) and to keep no history."""
    import markupsafe  # noqa: PLC0415 - comes with the templates

    script = f'<script src="{assets.url("htmx.min.js")}" defer></script>'
    return markupsafe.Markup(f"<meta name=\"htmx-config\" content='{HTMX_CONFIG}'>{script}")  # noqa: S704 - constants


@functools.cache
def _compiled() -> bool:
    made = environment()
    for name in made.list_templates():
        made.get_template(name)
    assets.files()
    return True


async def load() -> None:
    """Compile every template, once, on a thread: the API goes on answering."""
    if not _compiled.cache_info().currsize:
        await asyncio.to_thread(_compiled)


async def prepare() -> None:
    """Compile every template while nobody needs one yet: one at a time, so that no request waits long."""
    made = await asyncio.to_thread(environment)
    for name in made.list_templates():
        await asyncio.to_thread(made.get_template, name)
        await asyncio.sleep(PAUSE_SECONDS)
    await load()


def render(template: str, **names: object) -> bytes:
    """Render a template."""
    return environment().get_template(template).render(names).encode()
