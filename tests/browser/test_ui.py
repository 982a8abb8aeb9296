"""The page in a real browser, over a real stack: what happens is seen at once, what containers say stays text."""

from __future__ import annotations

import os
import signal
import statistics
from typing import TYPE_CHECKING

import pytest
from support.screening import VIEWS

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

WATCH = """(condition) => new Promise((resolve) => {
  const shown = () => document.querySelector(`.graph [data-service=db].${condition}`);
  const look = () => { if (shown()) { seen.disconnect(); resolve(Date.now() / 1000); } };
  const seen = new MutationObserver(look);
  seen.observe(document.body, {subtree: true, childList: true, attributes: true});
  look();
})"""


def test_what_broke_is_said_first_with_its_reason(page: Page) -> None:
    alarm = page.locator(".alarm")
    alarm.get_by_text("cannot reach the queue").wait_for()
    assert "job: exited, exit code 3" in alarm.inner_text()
    assert page.locator(".graph [data-service=job].failed.blamed").count() == 1
    assert page.locator(".graph .label", has_text="healthy").count() == 1
    assert page.locator(".fall .critical").count() >= 1
    assert page.locator("text=shop-job-1 ended with exit code 3").first.is_visible()


def test_events_are_seen_at_once(page: Page, stack: Command) -> None:
    """From the engine's event to the drawn graph, both by this machine's clock."""
    delays = []
    for verb, word in (("pause", "paused"), ("unpause", "healthy")) * 3:
        page.evaluate("(given) => { window.seen = (" + WATCH + ")(given); }", word)
        stack(verb, "db")
        seen = page.evaluate("() => window.seen")
        lines = stack("events", "--json", "--since", "20s", "--until", "0s", "db").stdout.splitlines()
        delays.append(seen - _moment(lines, verb))
    assert statistics.median(delays) < 0.3, delays


def _moment(lines: list[str], action: str) -> float:
    import json
    from datetime import datetime

    told = [one for one in map(json.loads, lines) if one["action"] == action]
    return datetime.fromisoformat(told[-1]["time"]).timestamp()


def test_it_breaks_and_heals(page: Page, stack: Command) -> None:
    stack("exec", "db", "rm", "/ok")
    page.locator(".graph [data-service=db].unhealthy.blamed").wait_for()
    page.locator(".alarm", has_text="db: unhealthy").wait_for()
    assert "waited for by job, web" in page.locator(".alarm").first.inner_text()
    page.locator(".alarm", has_text="last health probe: exit code 1").wait_for()
    stack("exec", "db", "touch", "/ok")
    page.locator(".graph [data-service=db].healthy").wait_for()
    assert page.locator(".alarm", has_text="db:").count() == 0


def test_containers_words_stay_text(page: Page, context: BrowserContext) -> None:
    page.goto(page.url.partition("#")[0] + "#/p/shop/s/db")
    page.locator(".log .line", has_text="<img src=x").wait_for()
    line = page.locator(".log .line.error")
    assert line.inner_text().endswith("red ERROR one")
    page.click("#tab-environment")
    page.get_by_text("MODE").wait_for()
    assert "hidden-from-all" not in page.content()
    page.locator("tr", has_text="MODE").locator("summary").click()
    page.locator("tr", has_text="MODE").get_by_text("compose.yaml:").wait_for()
    page.goto(page.url.partition("#")[0] + "#/p/shop/s/web")
    page.click("#tab-environment")
    page.get_by_text("<script>document.title=3</script>").wait_for()
    assert not page.title().isdigit()
    # A project and a service of any name are only looked up.
    page.goto(page.url.partition("#")[0] + "#/p/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E/s/%22%3E%3Cb%3E")
    page.get_by_text("This project has no containers").or_(page.get_by_text("no containers")).first.wait_for()


def test_logs_are_searched_by_the_server(page: Page, stack: Command) -> None:
    page.goto(page.url.partition("#")[0] + "#/p/shop/s/db")
    page.locator(".log .line").first.wait_for()
    search = page.get_by_label("Search in logs")
    search.fill("ERR.R one")
    search.press("Enter")
    page.get_by_text("0 lines").wait_for()
    page.get_by_role("button", name="regular expression").click()
    page.locator(".log .line", has_text="ERROR one").wait_for()
    assert page.locator(".log .line").count() == 1
    search.fill("(")
    search.press("Enter")
    page.get_by_text("no regular expression").wait_for()


def test_a_terminal_types_and_resizes(page: Page) -> None:
    page.goto(page.url.partition("#")[0] + "#/p/shop/s/db")
    page.locator(".log .line").first.wait_for()
    page.click("#tab-terminal")
    terminal = page.get_by_label("Terminal")
    terminal.get_by_text("/ #").wait_for()
    page.keyboard.type("echo $((6*7))-$(stty size)\n")
    terminal.get_by_text("42-").wait_for()
    loop = (
        'stty size > /size; clear; while [ "$(stty size)" = "$(cat /size)" ]; do sleep 0.1; done; echo now $(stty size)'
    )
    page.keyboard.type(f"{loop}\n")
    terminal.get_by_text("42-").wait_for(state="detached")
    page.set_viewport_size({"width": 600, "height": 900})
    terminal.get_by_text("now 2").wait_for()
    page.keyboard.type("exit\n")
    page.get_by_text("The shell has ended.").wait_for()


def test_an_action_shows_its_plan_and_then_runs(page: Page, stack: Command) -> None:
    page.goto(page.url.partition("#")[0] + "#/p/shop/s/web")
    page.get_by_role("button", name="stop", exact=True).click()
    dialog = page.locator("dialog")
    dialog.get_by_text("DRY-RUN MODE -  Container shop-web-1  Stopping").wait_for()
    assert stack.ps()["shop-web-1"]["State"] == "running"
    dialog.get_by_role("button", name="Do it: stop web").click()
    page.locator("h1 .word.failed").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="up", exact=True).click()
    dialog.get_by_text("start web").or_(dialog.get_by_text("start shop-web-1")).first.wait_for()
    dialog.get_by_role("button", name="Do it: up web").click()
    page.locator("h1 .word.running").wait_for()
    dialog.get_by_text("exit code 0").wait_for()


def test_the_page_survives_a_killed_engine(page: Page, stack: Command) -> None:
    page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push(document.getElementById('engine').textContent))"
        ".observe(document.getElementById('engine'), {childList: true}); }"
    )
    os.kill(stack.engine()["pid"], signal.SIGKILL)
    page.wait_for_function("() => window.said.some((one) => one.startsWith('The engine is away'))")
    page.wait_for_function("() => document.getElementById('engine').textContent.includes('pycompose 0')")
    stack("pause", "db")
    page.locator(".graph [data-service=db].paused").wait_for()
    stack("unpause", "db")
    page.locator(".graph [data-service=db].healthy").wait_for()


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 420])
def test_axe_finds_nothing_serious(context: BrowserContext, address: str, look: str, width: int) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme=look)
    page.set_viewport_size({"width": width, "height": 900})
    own = address.partition("?")[0]
    page.goto(f"{own}#/p/shop")
    page.wait_for_selector(".graph [data-service=db]")
    found = []
    for place in VIEWS:
        page.goto(own + place)
        page.wait_for_selector("h1")
        if place.endswith("/db"):
            page.wait_for_selector(".log .line")
        if place == "#/engine":
            page.wait_for_selector("[aria-label=Disk]")
        found += _faults(page, place)
    page.goto(f"{own}#/p/shop/s/db")
    page.wait_for_selector(".log .line")
    for tab in ("stats", "health", "environment", "mounts", "files", "terminal"):
        page.click(f"#tab-{tab}")
        page.locator("#panel", has_text="Reading from the engine").wait_for(state="detached")
        found += _faults(page, tab)
    assert found == []
    # Buttons at the end of a row are in sight, however narrow it is.
    page.goto(f"{own}#/p/shop")
    page.locator('[data-key="do job trigger nightly"]').wait_for()
    inside = page.evaluate(
        "() => [...document.querySelectorAll('table button')].every((one) => one.getBoundingClientRect().right <= innerWidth)"
    )
    assert inside, "a button of a table is cut off"
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    page.close()


def _faults(page: Page, place: str) -> list[tuple[str, str, list[str]]]:
    """What axe finds serious. Its scripts come by the debugger, which no policy of ours holds back."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (place, one["id"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_keys_reach_everything(page: Page) -> None:
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "() => document.activeElement.getAttribute('data-key') || document.activeElement.textContent.slice(0, 20)"
            )
        )
    assert {"Images", "do up", "do down"} <= seen
    page.locator(".graph [data-service=web]").focus()
    page.keyboard.press("Enter")
    page.locator("h1", has_text="web").wait_for()
    page.locator("#tab-logs").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-stats").get_attribute("aria-selected") == "true"


def test_what_is_opened_stays_open_while_the_page_goes_on(page: Page, stack: Command) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/images")
    layers = page.locator("tr", has_text="box").locator("details")
    layers.locator("summary").click()
    layers.locator("li").first.wait_for()
    for verb in ("pause", "unpause"):
        stack(verb, "db")
    # Everything is listed anew after an event; that the list of events has it says that the page has drawn since.
    page.goto(f"{page.url.partition('#')[0]}#/events")
    page.get_by_text("shop-db-1 unpause").first.wait_for()
    page.goto(f"{page.url.partition('#')[0]}#/images")
    layers.locator("li").first.wait_for()
    layers.evaluate("(one) => { one.dataset.drawn = 'before'; }")
    page.evaluate("() => dispatchEvent(new Event('redraw'))")
    assert layers.get_attribute("data-drawn") is None, "nothing was drawn anew"
    assert layers.get_attribute("open") is not None and layers.locator("li").count() >= 1


CHORUS = """
name: chorus
x-base: &base
  image: box
  stop_grace_period: 0s
  command: [sh, -c, "i=0; while [ $$i -lt 1200 ]; do echo line $$i; i=$$((i+1)); usleep 2000; done"]
services:
  alto: *base
  bass: *base
"""


def test_lines_of_several_containers_are_in_the_order_of_their_times(
    page: Page, stack: Command, tmp_path: Path
) -> None:
    (tmp_path / "chorus.yaml").write_text(CHORUS)
    words = ("--file", str(tmp_path / "chorus.yaml"))
    stack(*words, "up", "--detach")
    try:
        stack(*words, "wait", "alto", "bass")
        page.goto(f"{page.url.partition('#')[0]}#/p/chorus")
        # A thousand of each, in many frames.
        page.get_by_text("2000 lines").wait_for()
        log = page.get_by_label("Log lines")
        log.get_by_text("line 1199").first.wait_for()
        log.evaluate("(one) => { one.scrollTop = one.scrollHeight / 2; }")
        page.wait_for_function(
            "() => { const all = [...document.querySelectorAll('.log .line')].map((one) => one.textContent);"
            " return all.some((one) => one.includes('alto')) && all.some((one) => one.includes('bass')) && !all.some((one) => one.includes('1199')); }"
        )
    finally:
        stack(*words, "down", "-t", "0")


def test_a_dialog_goes_with_the_page_that_it_was_opened_on(page: Page) -> None:
    page.locator('[data-key="do down"]').click()
    page.locator("dialog[open]").wait_for()
    page.evaluate("() => { location.hash = '#/images'; }")
    page.locator("h1", has_text="Images").wait_for()
    assert page.locator("dialog[open]").count() == 0
