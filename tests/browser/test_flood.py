"""A service that writes 10,000 lines a second: the page and its server stay light, and it is said what was skipped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.screening import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser, pytest.mark.slow]

SECONDS = 60
FILE = """
name: flood
services:
  writer:
    image: box
    stop_grace_period: 0s
    command: [sh, -c, "while true; do yes 'GET /index.html 200 a longer line of an access log' | head -1000; sleep 0.1; done"]
"""
FRAMES = """() => { window.frames = []; let last = performance.now();
const next = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(next); }; requestAnimationFrame(next); }"""


@pytest.mark.timeout(240)
def test_a_flood_of_lines(stack: Command, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "flood.yaml").write_text(FILE)
    words = ("--file", str(tmp_path / "flood.yaml"))
    stack(*words, "up", "--detach")
    with page_of(stack) as address:
        page = browser.new_page()
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}#/p/flood/s/writer")
        page.locator(".log .line").first.wait_for()
        page.evaluate(FRAMES)
        server = _server(address)
        before, begin = _spent(server), time.monotonic()
        page.wait_for_timeout(SECONDS * 1000)
        share = (_spent(server) - before) / (time.monotonic() - begin)
        frames = sorted(page.evaluate("() => window.frames"))
        memory = page.evaluate("() => performance.memory.usedJSHeapSize")
        page.close()
    stack(*words, "down", "-t", "0")
    assert share < 0.5
    assert memory < 300e6
    # All but the slowest in a thousand: what else this machine does is none of the page's doing.
    assert frames[int(len(frames) * 0.999) - 1] < 100, frames[-10:]


def _server(address: str) -> int:
    """The process that listens at the address's port."""
    port = int(address.partition("?")[0].rstrip("/").rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == "0A")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink().name == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError("nobody listens")


def _spent(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
