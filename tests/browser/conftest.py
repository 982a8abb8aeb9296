"""A stack on an engine of its own, `pycompose ui` over it, and Debian's chromium in front of it."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left
from support.screening import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

FILE = r"""
name: shop
x-base: &base {image: box, stop_grace_period: 0s}
services:
  db:
    <<: *base
    command: [sh, -c, "touch /ok; echo '<img src=x onerror=document.title=1>'; printf '\\033]0;evil\\007\\033[31mred\\033[0m ERROR one\\n'; exec sleep 600"]
    environment: {DB_PASSWORD: hidden-from-all, MODE: fast}
    volumes: ["data:/var/lib/db"]
    healthcheck: {test: [CMD, test, -e, /ok], interval: 300ms, start_interval: 300ms, start_period: 5s, retries: 1}
  web:
    <<: *base
    command: sleep 600
    labels: {"<b>label</b>": "<script>document.title=2</script>"}
    environment: {MARKUP: "<script>document.title=3</script>"}
    depends_on: {db: {condition: service_healthy}}
  job: {<<: *base, command: [sh, -c, "echo cannot reach the queue; exit 3"], depends_on: [db]}
jobs:
  nightly:
    image: box
    command: [sh, -c, "echo '<i>no table</i>'; exit 4"]
    triggers: {schedule: [{cron: "0 3 1 1 *"}]}
volumes: {data: {}}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: as long as it is there, Playwright keeps an event loop running in this thread."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    root, directory = tmp_path_factory.mktemp("engine"), tmp_path_factory.mktemp("shop")
    subprocess.run(
        [str(PYCOMPOSE), "--root", str(root), "image", "import", "-c", 'CMD ["sh"]', "-", "box"],
        input=busybox_rootfs().read(),
        capture_output=True,
        check=True,
    )
    (directory / "compose.yaml").write_text(FILE)
    command = Command(root, directory)
    command("up", "--detach")
    yield command
    command("down", "--volumes", "-t", "0", check=False)
    command("engine", "stop", "--force")
    # Playwright keeps a running event loop in this thread; the look at the kernel needs one of its own.
    with ThreadPoolExecutor(1) as other:
        other.submit(assert_nothing_left, root).result()


@pytest.fixture(scope="module")
def address(stack: Command) -> Iterator[str]:
    with page_of(stack) as found:
        yield found


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser that has exchanged the token. At the end nothing was written to its console as an error, nothing was asked
    of another origin, and nothing that a container said ran."""
    opened = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    faults: list[str] = []
    own = address.partition("?")[0]
    opened.on("request", lambda one: None if one.url.startswith(own) else faults.append(one.url))
    opened.on("weberror", lambda one: faults.append(str(one.error)))
    opened.on("dialog", lambda one: faults.append(one.message))
    opened.on(
        "console", lambda one: faults.append(one.text) if one.type == "error" and "ERR_" not in one.text else None
    )
    first = opened.new_page()
    first.goto(address)
    first.close()
    yield opened
    opened.close()
    assert faults == []


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    """The project's page, drawn."""
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    opened.goto(f"{address.partition('?')[0]}#/p/shop")
    opened.wait_for_selector(".graph [data-service=db]")
    return opened
