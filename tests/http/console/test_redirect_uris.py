"""Operators list, add and remove redirect URIs; a new one needs a recent code."""

from tests.http.console.test_confirmation import CODE, STALE, asks_for_a_code
from tests.support.console import HOME, Browser, Console

URIS = f"{HOME}/redirect-uris"
CALLBACK = "https://app.example.org/callback"


async def listed(console: Console) -> list[tuple[str, str, bool]]:
    uris = await console.af.read(lambda tx: tx.redirect_uris.all(1))
    return [(item.id, item.uri, item.is_default) for item in uris]


async def test_uri_is_added_made_the_default_and_removed(console: Console, owner: Browser) -> None:
    assert "No redirect URIs yet" in (await owner.get(URIS)).text
    console.clock.advance(STALE)
    assert asks_for_a_code(await owner.post(URIS, {"uri": CALLBACK}))
    assert await listed(console) == []
    added = await owner.post(URIS, {"uri": CALLBACK, CODE: console.code(owner.secret)})
    assert added.status_code == 303
    assert (await owner.post(URIS, {"uri": f"{CALLBACK}/2"})).status_code == 303
    (first, _, _), (second, _, _) = await listed(console)
    assert CALLBACK in (await owner.get(URIS)).text
    assert (await owner.post(f"{URIS}/{second}/default", {})).status_code == 303
    removal = {"reason": "moved"}
    assert (await owner.post(f"{URIS}/{second}/delete", removal)).status_code == 409
    assert (await owner.post(f"{URIS}/{first}/delete", removal)).status_code == 303
    assert await listed(console) == [(second, f"{CALLBACK}/2", True)]


async def test_bad_uri_is_shown_again_with_the_reason(owner: Browser) -> None:
    response = await owner.post(URIS, {"uri": "https://*.co.uk/"})
    assert response.status_code == 422
    assert 'value="https://*.co.uk/"' in response.text
    assert "strangers get names" in response.text
