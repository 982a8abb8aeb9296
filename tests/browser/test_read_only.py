"""What asks the page's server by hand, with its cookie: a page that only shows changes nothing by any action, and no path leads out."""

from __future__ import annotations

import http.client
import io
import json
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import pytest
from support.screening import page_of

from pycompose.compose.screens.commands import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]


class Asker:
    """Everything that a browser with the cookie could ask, without one."""

    def __init__(self, address: str) -> None:
        self._own = urlsplit(address)
        status, _, headers = self("GET", f"/?{self._own.query}")
        assert status == 303
        self._cookie = headers["set-cookie"].partition(";")[0]

    def __call__(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._own.port or 0, timeout=60)
        fields = {"Cookie": getattr(self, "_cookie", ""), "Sec-Fetch-Site": "same-origin"}
        if method != "GET":
            fields["Origin"] = f"http://127.0.0.1:{self._own.port}"
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def act(self, name: str, *, preview: bool) -> tuple[int, bytes]:
        body = {"action": name, "project": "shop", "service": "db", "value": "nightly", "to": "registry.example/x:y"}
        return self("POST", "/act", json.dumps({**body, "preview": preview}).encode())[:2]


@pytest.fixture(scope="module")
def ask(address: str) -> Asker:
    return Asker(address)


def _of_engine(stack: Command) -> dict[str, object]:
    """What there is, and what has begun when."""
    return {
        "containers": {name: (one["State"], one["ID"]) for name, one in stack.ps().items()},
        **{
            noun: sorted(
                str({key: value for key, value in json.loads(line).items() if key != "CreatedSince"})
                for line in stack(noun, "ls", "--format", "json").stdout.splitlines()
            )
            for noun in ("volume", "network", "image", "snapshot", "lease")
        },
        "jobs": stack("jobs", "history", "nightly", "--format", "json", check=False).stdout,
    }


@pytest.mark.timeout(600)
def test_no_action_changes_anything_on_a_page_that_only_shows(stack: Command) -> None:
    before = _of_engine(stack)
    with page_of(stack, "--read-only") as address:
        ask = Asker(address)
        for name in ACTIONS:
            assert ask.act(name, preview=False) == (403, b"this page only shows (--read-only)\n"), name
            status, said = ask.act(name, preview=True)
            assert status == 200 and said, name
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            for path in ("/", "/about", "/explain", "/container/shop-db-1", "/image", "/disk", "/static/main.js"):
                assert ask(method, path, b"{}")[0] == 405, (method, path)
        assert ask("GET", "/act")[0] == 405
    assert _of_engine(stack) == before


def test_a_body_without_end_is_not_waited_for(ask: Asker) -> None:
    """Its length is not told beforehand; what is read is bounded all the same."""
    assert ask("POST", "/act", b" " * 5000)[0] == 413
    assert ask("POST", "/act", iter([b" " * 1000] * 6))[0] == 413
    assert ask("POST", "/act", iter([b'{"action": "down", ', b'"project": "nobody"}']))[0] == 400
    for wrong in (b"[]", b"7", b"{", b'"x"', b"\xff\xfe", b'{"action": {"a": 1}}'):
        status, said, _ = ask("POST", "/act", wrong)
        assert (status, b"Traceback" in said) == (400, False), wrong


@pytest.mark.parametrize(
    "path",
    ["/../../../../etc/hostname", "/tmp/link/etc/hostname", "../../etc/hostname", "/proc/1/root/../../etc/hostname"],
)
def test_a_download_never_leaves_the_container(stack: Command, ask: Asker, path: str) -> None:
    """The container's own file of that name, or nothing; never this machine's."""
    stack("exec", "db", "sh", "-c", "mkdir -p /tmp && ln -sfn ../../../../.. /tmp/link && echo mine > /etc/hostname")
    query = urlencode({"path": path})
    status, data, headers = ask("GET", f"/container/shop-db-1/archive?{query}")
    assert status in (200, 404)
    if status == 200:
        assert headers["content-type"] == "application/x-tar" and headers["content-disposition"].startswith(
            "attachment"
        )
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None else None
            assert content is None or content.read() == b"mine\n"
    for route in ("file", "directory"):
        status, data, _ = ask("GET", f"/container/shop-db-1/{route}?{query}")
        assert status in (200, 404) and json.loads(data).get("text", "mine\n") == "mine\n"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/main.js%00.css",
        f"/container/{quote('shop-db-1/json?x=', safe='')}",
        f"/container/{quote('../images/box', safe='')}",
        "/container/..%2f..%2fversion",
        f"/container/{quote('x y' + chr(13) + chr(10) + 'Host: other', safe='')}",
        "/image?ref=../containers/shop-db-1",
        f"/image?ref={quote('box/json?x', safe='')}",
    ],
)
def test_no_name_is_a_path(ask: Asker, path: str) -> None:
    status, data, headers = ask("GET", path)
    assert status == 404, (status, data[:200])
    assert b"import" not in data and b"root:" not in data and headers["x-content-type-options"] == "nosniff"
