"""Everybody but the browser that was given the token, from our own page: what they try reaches nothing, and nothing is told to them.

The other page is on another port of the same host, to which the browser sends the cookie, and under another name of it.
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.screening import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

DOWN = {"action": "down", "project": "shop", "service": "", "value": "", "preview": False}
FORM = f"""<!doctype html><title>elsewhere</title><form id=f method=post enctype=text/plain action="%sact">
<input name='{json.dumps(DOWN)[:-1]}, "x": "' value='"}}'></form>"""

TRIES = """async ([own, body]) => {
  const fetched = (path, options) => fetch(own + path, {credentials: 'include', ...options}).then((one) => one.type, () => 'refused');
  const socket = (path) => new Promise((done) => {
    const one = new WebSocket(own.replace('http', 'ws') + path);
    one.onopen = () => done('open'); one.onerror = () => done('refused');
  });
  const loaded = (tag, path) => new Promise((done) => {
    const one = document.createElement(tag);
    one.onload = () => done('loaded'); one.onerror = () => done('refused');
    one.src = own + path;
    document.body.append(one);
  });
  return {
    read: await fetched('about'), sent: await fetched('act', {method: 'POST', body}),
    blind: await fetched('act', {method: 'POST', mode: 'no-cors', body}),
    live: await socket('live'), console: await socket('console?id=shop-db-1'), logs: await socket('logs?id=shop-db-1'),
    script: await loaded('script', 'static/main.js'), picture: await loaded('img', 'static/icon.svg'),
  };
}"""


@pytest.fixture
def known(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser that has the cookie, so that only who asks makes the difference."""
    opened = browser.new_context()
    page = opened.new_page()
    page.goto(address)
    page.get_by_role("link", name="shop").wait_for()
    page.close()
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(address: str) -> Iterator[int]:
    """The port of a page of somebody else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((FORM % address.partition("?")[0]).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _answers(page: Page, own: str) -> list[tuple[str, int]]:
    """Path and status of every answer of our server, as they come."""
    found: list[tuple[str, int]] = []
    page.on("response", lambda one: found.append((urlsplit(one.url).path, one.status)) if own in one.url else None)
    return found


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_page_reaches_nothing(
    known: BrowserContext, address: str, elsewhere: int, name: str, stack: Command
) -> None:
    own = address.partition("?")[0]
    page = known.new_page()
    page.goto(f"http://{name}:{elsewhere}/")
    answers = _answers(page, own)
    tried = page.evaluate(TRIES, [own, json.dumps(DOWN)])
    # What a page that may not read is shown of an answer is "opaque"; that the answer was a refusal is seen below.
    assert tried.pop("blind") in ("opaque", "refused")
    assert set(tried.values()) == {"refused"}, tried
    with page.expect_navigation():
        page.evaluate("() => document.getElementById('f').submit()")
    assert "another site's page asked" in page.inner_text("body")
    assert {path for path, _ in answers} >= {"/act"} and {status for _, status in answers} == {403}, answers
    # The same form is understood when it comes from our own page: it was refused for who sent it.
    page.goto(f"{own}#/p/shop")
    preview = json.dumps({**DOWN, "preview": True})
    status = page.evaluate("(body) => fetch('/act', {method: 'POST', body}).then((one) => one.status)", preview)
    assert status == 200
    assert stack.ps()["shop-db-1"]["State"] == "running"


def test_our_page_is_in_nobodys_frame(known: BrowserContext, address: str, elsewhere: int) -> None:
    page = known.new_page()
    page.goto(f"http://127.0.0.1:{elsewhere}/")
    page.evaluate(
        "(own) => new Promise((done) => { const one = document.createElement('iframe'); one.onload = done; one.src = own;"
        " document.body.append(one); })",
        address.partition("?")[0],
    )
    assert page.frames[1].url == "chrome-error://chromewebdata/"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/", {}),
        ("/about", {}),
        ("/static/main.js", {}),
        ("/?token=wrong", {}),
        ("/about", {"Cookie": "pycompose-ui-{port}=guessed"}),
        ("/?token={token}", {"Host": "evil.example"}),
        ("/?token={token}", {"Host": "127.0.0.1"}),
        ("/?token={token}", {"Host": "127.0.0.1:{port}.evil.example"}),
    ],
)
def test_without_the_token_or_under_another_name(address: str, path: str, fields: dict[str, str]) -> None:
    found = urlsplit(address)
    given = {"port": str(found.port), "token": found.query.partition("=")[2]}
    connection = http.client.HTTPConnection("127.0.0.1", found.port or 0, timeout=10)
    connection.request("GET", path.format(**given), headers={key: one.format(**given) for key, one in fields.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 403 and text.startswith("403: ") and "Set-Cookie" not in answer.headers


def test_read_only_changes_nothing(stack: Command, browser: Browser) -> None:
    with page_of(stack, "--read-only") as address:
        opened = browser.new_page()
        opened.goto(address)
        opened.get_by_text("this page only shows").first.wait_for()
        ask = "(body) => fetch('/act', {method: 'POST', body}).then((one) => one.status)"
        assert opened.evaluate(ask, json.dumps(DOWN)) == 403
        assert opened.evaluate(ask, json.dumps({**DOWN, "preview": True})) == 200
        closed = opened.evaluate(
            "() => new Promise((done) => { new WebSocket(`ws://${location.host}/console?id=shop-db-1`).onclose = (one) => done(one.code); })"
        )
        assert closed in (1006, 1008)
        opened.close()
    assert stack.ps()["shop-db-1"]["State"] == "running"
