"""Every view and every action with the keyboard alone: all is reached, what has the focus is seen, nothing keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.screening import VIEWS

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

NUMBERED = """() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
    .filter((one) => one.checkVisibility({visibilityProperty: true}) && one.getAttribute('tabindex') !== '-1');
  window.all = all;
  return all.map((one) => one.outerHTML.slice(0, 80));
}"""

FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    number: window.all.indexOf(one),
    seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight,
  };
}"""


def _go(page: Page, view: str) -> None:
    page.goto(page.url.partition("#")[0] + view)
    page.locator("h1").wait_for()
    if view == "#/p/shop/s/db":
        page.locator(".log .line").first.wait_for()
    if view == "#/engine":
        page.get_by_label("Disk").wait_for()
    page.wait_for_function("() => document.activeElement === document.getElementById('main')")


@pytest.mark.parametrize("view", [*VIEWS, "#/p/nobody"])
def test_all_of_a_view_is_reached_and_nothing_keeps_the_focus(page: Page, view: str) -> None:
    _go(page, view)
    names = page.evaluate(NUMBERED)
    reached: dict[int, bool] = {}
    for _ in range(2 * len(names) + 4):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found["number"] >= 0:
            reached.setdefault(found["number"], found["seen"])
        elif not page.evaluate("() => document.activeElement === document.body"):
            page.evaluate(NUMBERED)  # drawn anew by a sample or a clock
    assert len(reached) >= len(names), [one for at, one in enumerate(names) if at not in reached]
    assert all(reached.values()), [names[at] for at, seen in reached.items() if not seen]


def test_the_first_link_leads_to_the_content_of_this_view(page: Page) -> None:
    _go(page, "#/p/shop")
    page.locator(".skip").focus()
    assert page.locator(".skip").evaluate("(one) => one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.dataset.key") == "do up"
    assert page.url.endswith("#/p/shop")


@pytest.mark.parametrize("view", ["#/p/shop", "#/p/shop/s/db", "#/engine"])
def test_each_action_is_asked_for_by_enter_and_left_by_escape(page: Page, view: str) -> None:
    _go(page, view)
    buttons = page.locator("main button[data-key^='do ']")
    buttons.first.wait_for()
    keys = [one.get_attribute("data-key") for one in buttons.all()]
    assert len(keys) == {"#/p/shop": 10, "#/p/shop/s/db": 7, "#/engine": 1}[view], keys
    for key in keys:
        page.locator(f"[data-key='{key}']").focus()
        page.keyboard.press("Enter")
        page.locator("dialog[open]").wait_for()
        # Nothing outside of it is reached while it is open.
        for _ in range(5):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "() => document.activeElement === document.body || document.getElementById('action').contains(document.activeElement)"
            )
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
        assert page.evaluate("() => document.activeElement.dataset.key") == key


def test_the_focus_stays_where_it_was_when_its_surroundings_are_drawn_anew(page: Page, stack: Command) -> None:
    _go(page, "#/p/shop")
    # Behind a dialog, too: the button that opened it is another element when it is closed.
    page.locator("[data-key='do stop']").focus()
    page.locator("[data-key='do stop']").evaluate("(one) => { one.old = true; }")
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for()
    stack("stop", "web")  # the number of those that run stands beside the buttons
    page.locator(".graph [data-service=web].failed").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement.dataset.key === 'do stop'")
    assert page.evaluate("() => document.activeElement.old") is None, "nothing was drawn anew"
    stack("start", "web")
    # And what opens and closes.
    stack("jobs", "trigger", "nightly", check=False)
    page.get_by_text("History of nightly (1)").focus()
    page.keyboard.press("Enter")
    stack("jobs", "trigger", "nightly", check=False)
    page.get_by_text("History of nightly (2)").wait_for()
    assert page.evaluate("() => document.activeElement.textContent") == "History of nightly (2)"
    assert page.locator("details[open]", has_text="History of nightly").count() == 1


def test_the_tabs_of_a_service_by_arrows(page: Page) -> None:
    _go(page, "#/p/shop/s/db")
    page.locator("#tab-logs").focus()
    for key, tab in (("End", "terminal"), ("ArrowRight", "logs"), ("ArrowLeft", "terminal"), ("Home", "logs")):
        page.keyboard.press(key)
        assert page.evaluate("() => document.activeElement.id") in (f"tab-{tab}", ""), (key, tab)
        assert page.locator(f"#tab-{tab}").get_attribute("aria-selected") == "true"
        page.locator(f"#tab-{tab}").focus()


def test_a_terminal_has_a_way_out(page: Page) -> None:
    _go(page, "#/p/shop/s/db")
    page.click("#tab-terminal")
    page.get_by_label("Terminal").get_by_text("/ #").wait_for()
    page.wait_for_function("() => document.activeElement.classList.contains('terminal')")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.classList.contains('terminal')"), "the shell completes by Tab"
    page.keyboard.press("Control+]")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("() => document.activeElement.id") == "panel"
