"""A stack that has broken because the disk is full: the page says so, and its own actions work there."""

from __future__ import annotations

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
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.root, pytest.mark.browser]

FILE = """
name: filled
x-base: &base {image: box, stop_grace_period: 0s}
services:
  db:
    <<: *base
    command: [sh, -c, "echo begins; dd if=/dev/zero of=/data/rows bs=64k || exit 74"]
    volumes: ["data:/data"]
  web: {<<: *base, command: sleep 600, depends_on: [db]}
volumes: {data: {}}
"""


@pytest.fixture
def small(browser: Browser, tmp_path: Path) -> Iterator[Command]:
    """An engine whose disk has 48 MB."""
    disk, directory = tmp_path / "disk", tmp_path / "filled"
    disk.mkdir()
    directory.mkdir()
    (directory / "compose.yaml").write_text(FILE)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(disk)], check=True)
    command = Command(disk / "root", directory)
    try:
        subprocess.run(
            [str(PYCOMPOSE), "--root", str(command.root), "image", "import", "-c", 'CMD ["sh"]', "-", "box"],
            input=busybox_rootfs().read(),
            capture_output=True,
            check=True,
        )
        yield command
        command("down", "--volumes", "-t", "0", check=False)
        command("engine", "stop", "--force")
        with ThreadPoolExecutor(1) as other:  # Playwright keeps a running loop in this thread
            other.submit(assert_nothing_left, command.root).result()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.timeout(300)
def test_a_full_disk_is_said_to_be_what_broke_it(small: Command, browser: Browser) -> None:
    small("up", "--detach", check=False)
    with page_of(small) as address:
        page = browser.new_context().new_page()
        page.set_default_timeout(60_000)
        faults: list[str] = []
        page.on("pageerror", lambda one: faults.append(str(one)))
        page.goto(address)
        page.get_by_role("link", name="db").wait_for()
        page.get_by_role("link", name="filled").click()
        alarm = page.locator(".alarm")
        alarm.get_by_text("No space left on device").wait_for()
        assert "db: exited, exit code 74" in alarm.inner_text()
        assert "hint: the disk is full: `system df` tells" in alarm.inner_text()
        assert page.locator(".graph [data-service=db].failed.blamed").count() == 1
        # What frees the room is done from here.
        page.locator("[data-key='do down']").click()
        page.locator("dialog").get_by_role("button", name="Do it: down filled").click()
        page.locator("dialog").get_by_text("exit code 0").wait_for()
        page.keyboard.press("Escape")
        page.get_by_text("This project has no containers.").wait_for()
        page.goto(f"{address.partition('?')[0]}#/engine")
        page.get_by_label("Disk").get_by_text("Local Volumes").wait_for()
        page.context.close()
    assert faults == []
