"""Stacks that are not as in a picture: names of 63 characters, twelve ports, text from right to left, services of profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

PROJECT = "a-very-long-project-name-that-goes-on-until-its-63rd-character-"[:62] + "z"
SERVICE = "a-very-long-service-name-that-goes-on-until-its-63rd-character-"[:62] + "z"
TURNED = "photo\u202egpj.exe"

FILE = f"""
name: {PROJECT}
x-base: &base {{image: box, stop_grace_period: 0s}}
services:
  {SERVICE}:
    <<: *base
    command: [sh, -c, "printf 'مرحبا ERROR \\\\342\\\\200\\\\256gpj.exe\\\\n'; touch /photo$$(printf '\\\\342\\\\200\\\\256')gpj.exe; exec sleep 600"]
    healthcheck: {{test: [CMD, sh, -c, "echo {"x" * 300}; exit 1"], interval: 300ms, retries: 1}}
    volumes: ["data:/var/lib/{"d" * 60}"]
    environment: {{RTL: "مرحبا بالعالم", TURNED: "{TURNED}", LONG: "{"v" * 400}", {"N" * 63}: short}}
  twelve:
    <<: *base
    command: sleep 600
    ports: ["8000-8011"]
  broken:
    <<: *base
    command: [sh, -c, "for i in 1 2 3 4 5 6 7 8 9; do echo Traceback $$i {"e" * 300}; done; exit 42"]
    depends_on: [twelve]
  silent: {{<<: *base, command: sleep 600, depends_on: [{SERVICE}]}}
volumes: {{data: {{}}}}
"""

CUT = """() => [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility()
  && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, .log, pre, .terminal, svg'))
  .map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 60)}`)"""

SIDEWAYS = """() => {
  const hidden = (one) => one !== document.body && (getComputedStyle(one).overflowX !== 'visible' || hidden(one.parentElement));
  return document.documentElement.scrollWidth <= innerWidth ? [] : [document.documentElement.scrollWidth,
    ...[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !hidden(one.parentElement))
      .map((one) => `${one.tagName} ${one.getAttribute('class')} ${one.getBoundingClientRect().right}`),
    ...[...document.querySelectorAll('body *')].filter((one) => one.scrollWidth > innerWidth && !hidden(one))
      .map((one) => `${one.tagName} ${one.getAttribute('class')} is ${one.scrollWidth} wide inside`)];
}"""

LAPPED = """() => [...document.querySelectorAll('.rows td')].filter((one) => one.checkVisibility()).filter((one) => {
  const head = getComputedStyle(one, '::before');
  return head.position === 'absolute' && parseFloat(head.height) > one.getBoundingClientRect().height;
}).map((one) => one.dataset.head)"""


def _sound(page: Page, place: str) -> None:
    page.wait_for_function("() => !document.body.textContent.includes('Reading from the engine')")
    assert page.evaluate(CUT) == [], place
    assert page.evaluate(SIDEWAYS) == [], f"{place} scrolls sideways"
    assert page.evaluate(LAPPED) == [], place


def test_long_names_and_lines_push_nothing_out_of_sight(page: Page, stack: Command, tmp_path: Path) -> None:
    (tmp_path / "awkward.yaml").write_text(FILE)
    words = ("--file", str(tmp_path / "awkward.yaml"))
    own = page.url.partition("#")[0]
    stack(*words, "up", "--detach")
    try:
        for width in (390, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            for place, head in (
                ("#/", "Projects"),
                (f"#/p/{PROJECT}", PROJECT),
                ("#/volumes", "Volumes"),
                ("#/networks", "Networks"),
                ("#/events", "Events"),
            ):
                page.goto(own + place)
                page.locator("h1", has_text=head).wait_for()
                page.locator("main", has_text=PROJECT).wait_for()
                _sound(page, f"{place} at {width}")
            page.goto(f"{own}#/p/{PROJECT}/s/{SERVICE}")
            page.locator(".log .line").first.wait_for()
            for tab in ("logs", "stats", "health", "environment", "mounts", "files"):
                page.click(f"#tab-{tab}")
                _sound(page, f"{tab} at {width}")
        # What the boxes of the graph say fits into them.
        page.goto(f"{own}#/p/{PROJECT}")
        page.locator(".graph [data-service=twelve] > text", has_text="network default").wait_for()
        wide = page.evaluate(
            "() => [...document.querySelectorAll('.graph a')].filter((one) => [...one.querySelectorAll('text')]"
            ".some((text) => text.getBBox().width > one.querySelector('rect').getBBox().width)).map((one) => one.dataset.service)"
        )
        assert wide == []
        page.locator(".log .line .from", has_text="broken-1").nth(8).wait_for()
        assert page.locator(".log .line .from", has_text=PROJECT).count() == 0
        assert page.locator(".log .line .from", has_text="broken-1").count() == 9
        # What would turn the order of letters is shown as what it is.
        page.locator(".log .line", has_text="ERROR \\u202egpj.exe").wait_for()
        page.goto(f"{own}#/p/{PROJECT}/s/{SERVICE}")
        page.locator(".log .line").first.wait_for()
        page.click("#tab-environment")
        page.get_by_text("photo\\u202egpj.exe").wait_for()
        page.click("#tab-files")
        page.get_by_role("button", name="photo\\u202egpj.exe").click()
        page.get_by_text("/photo\\u202egpj.exe").wait_for()
        assert "\u202e" not in page.locator("body").inner_text()
    finally:
        page.goto(f"{own}#/")  # it would ask for what is gone
        stack(*words, "down", "--volumes", check=False)


PROFILED = """
name: profiled
x-base: &base {image: box, stop_grace_period: 0s, command: sleep 600}
services:
  base: *base
  debug: {<<: *base, profiles: [dev]}
  tools: {<<: *base, profiles: [tools]}
"""


def test_actions_are_about_all_that_was_started_with_a_profile(page: Page, stack: Command, tmp_path: Path) -> None:
    (tmp_path / "profiled.yaml").write_text(PROFILED)
    stack("--file", str(tmp_path / "profiled.yaml"), "--profile", "dev", "up", "--detach")
    page.goto(f"{page.url.partition('#')[0]}#/p/profiled")
    page.locator(".graph [data-service=debug].running").wait_for()
    page.set_default_timeout(60_000)  # each action asks the command three times
    dialog = page.locator("dialog")
    for action, words, after in (
        ("stop", "Container profiled-debug-1  Stopped", "0 of 2 containers run"),
        ("up", "start profiled-debug-1", "2 of 2 containers run"),
        ("restart", "Container profiled-debug-1  Started", "2 of 2 containers run"),
        ("down", "Container profiled-debug-1  Removed", "This project has no containers."),
    ):
        page.locator(f'[data-key="do {action}"]').click()
        dialog.get_by_text(words).wait_for()
        assert "tools" not in dialog.inner_text()
        dialog.get_by_role("button", name="Do it").click()
        dialog.get_by_text("exit code 0").wait_for()
        page.keyboard.press("Escape")
        page.get_by_text(after).first.wait_for()
