"""Whole stacks on the page: the WordPress example from its start to its end, and a project of a hundred services."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.command import free_port
from support.screening import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wordpress" / "compose.yaml"

RECORD = """() => {
  window.seen = [];
  const now = {};
  const look = () => {
    for (const one of document.querySelectorAll('.graph [data-service]')) {
      const shown = one.getAttribute('class').split(' ')[0];
      if (now[one.dataset.service] !== shown) { now[one.dataset.service] = shown; window.seen.push([Date.now() / 1000, one.dataset.service, shown]); }
    }
    if (!document.querySelector('.graph [data-service]')) for (const one of Object.keys(now)) {
      delete now[one]; window.seen.push([Date.now() / 1000, one, 'absent']);
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""
"""Keeps in the page when each service's box began to look as it looks."""

WITHIN = 0.3
"""Seconds from an event to its picture."""


class Seen(NamedTuple):
    at: float
    service: str
    shown: str


def _events(stack: Command, words: tuple[str, ...], since: float) -> list[Seen]:
    """What the engine told, as what the page has to show for it."""
    shows = {"health_status: healthy": "healthy", "die": "stopped", "destroy": "absent"}
    found = []
    for line in stack(*words, "events", "--json", "--since", f"{since:.3f}", "--until", "0s").stdout.splitlines():
        told = json.loads(line)
        if told["action"] in shows:
            found.append(Seen(datetime.fromisoformat(told["time"]).timestamp(), told["service"], shows[told["action"]]))
    return found


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wordpress_comes_up_breaks_heals_and_goes(stack: Command, context: BrowserContext, address: str) -> None:
    begin, port = time.time(), str(free_port())
    words = ("--file", str(EXAMPLE))

    def run(*arguments: str) -> None:
        stack(*words, *arguments, timeout=600, WORDPRESS_PORT=port)

    stack("image", "bootstrap", "debian:bookworm-slim", timeout=600)
    run("build")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{address.partition('?')[0]}#/p/wordpress")
    page.get_by_text("This project has no containers.").wait_for()
    page.evaluate(RECORD)
    run("up", "--detach", "--wait")
    for service in ("db", "wordpress", "web"):
        page.locator(f".graph [data-service={service}].healthy").wait_for()
    assert page.locator(".alarm").count() == 0
    run("stop", "db")
    page.locator(".graph [data-service=db].stopped.blamed").wait_for()
    alarm = page.locator(".alarm")
    alarm.get_by_text("waited for by wordpress").wait_for()
    assert "db: stopped" in alarm.inner_text()
    run("start", "db")
    page.locator(".graph [data-service=db].healthy").wait_for()
    alarm.wait_for(state="detached")
    run("down", "--volumes")
    page.get_by_text("This project has no containers.").wait_for()
    seen = [Seen(*one) for one in page.evaluate("() => window.seen")]
    told = _events(stack, words, begin)
    healthy = [(one.service, one.shown) for one in told if one.shown == "healthy"]
    assert sorted(healthy) == [("db", "healthy"), ("db", "healthy"), ("web", "healthy"), ("wordpress", "healthy")]
    # The database's end is seen as what broke; those of `down` are quicker than anybody looks, but the last is seen.
    broke = next(one for one in told if one.shown == "stopped")
    gone = max(one for one in told if one.shown == "absent")
    for one in (*(one for one in told if one.shown == "healthy"), broke, gone):
        lags = [each.at - one.at for each in seen if each[1:] == one[1:] and each.at > one.at - 0.005]
        if one is gone:
            lags = [each.at - one.at for each in seen if each.shown == "absent" and each.at > one.at - 0.005]
        assert lags and min(lags) < WITHIN, (one, lags, seen)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_services_are_painted_within_a_second(stack: Command, browser: Browser, tmp_path: Path) -> None:
    services = "".join(
        f"  s{index}: {{image: box, command: sleep 600, stop_grace_period: 0s, depends_on: [{'' if index < 10 else f's{index // 10}'}]}}\n"
        for index in range(100)
    )
    (tmp_path / "hundred.yaml").write_text(f"name: hundred\nservices:\n{services}")
    words = ("--file", str(tmp_path / "hundred.yaml"))
    try:
        stack(*words, "up", "--detach", timeout=300)
        with page_of(stack) as address:
            context = browser.new_context()
            first = context.new_page()
            first.goto(address)
            first.get_by_role("link", name="hundred").wait_for()
            took = []
            for _ in range(3):
                page = context.new_page()
                page.add_init_script(
                    "new MutationObserver((_, own) => {"
                    " if (document.querySelectorAll('.graph [data-service]').length === 100) {"
                    "  own.disconnect(); requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); })); }"
                    "}).observe(document, {subtree: true, childList: true});"
                )
                page.goto(f"{address.partition('?')[0]}#/p/hundred")
                page.wait_for_function("() => window.painted")
                took.append(page.evaluate("() => window.painted"))
                page.close()
            context.close()
        assert min(took) < 1000, took
    finally:
        stack(*words, "down", "-t", "0", check=False, timeout=300)
