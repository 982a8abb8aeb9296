"""The page over a Docker engine: everything that such an engine has, and no word of what only ours has."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.peering import dockerd
from support.screening import page_of

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

_LACKING = dockerd.missing()

pytestmark = [
    pytest.mark.root,
    pytest.mark.browser,
    pytest.mark.skipif(_LACKING is not None, reason=f"no dockerd to look at: {_LACKING}"),
]

FILE = r"""
name: shop
services:
  db:
    image: box
    stop_grace_period: 0s
    command: [sh, -c, "touch /ok; echo 'ERROR <b>one</b>'; exec sleep 600"]
    environment: {DB_PASSWORD: hidden-from-all, MODE: fast}
    volumes: ["data:/var/lib/db"]
    healthcheck: {test: [CMD, test, -e, /ok], interval: 300ms, retries: 1}
  web: {image: box, stop_grace_period: 0s, command: sleep 600, depends_on: {db: {condition: service_healthy}}}
volumes: {data: {}}
"""


@pytest.mark.timeout(240)
def test_a_docker_engine_is_shown(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "compose.yaml").write_text(FILE)
    with dockerd.Dockerd(tmp_path / "dockerd") as engine:

        def run(*words: str, stdin: bytes = b"") -> None:
            subprocess.run(
                [str(PYCOMPOSE), "--host", engine.url, *words],
                cwd=tmp_path / "src", input=stdin, capture_output=True, check=True, timeout=120,
            )  # fmt: skip

        run("image", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_rootfs().read())
        run("up", "--detach")
        with page_of(Command(tmp_path / "none", tmp_path / "src"), host=engine.url) as address:
            own = address.partition("?")[0]
            context = browser.new_context()
            faults: list[str] = []
            context.on("weberror", lambda one: faults.append(str(one.error)))
            page = context.new_page()
            page.on("response", lambda one: faults.append(f"{one.status} {one.url}") if one.status >= 400 else None)
            page.goto(address)
            page.get_by_role("link", name="shop").click()
            page.locator(".graph [data-service=db].healthy").wait_for()
            page.locator(".log .line.error", has_text="<b>one</b>").wait_for()
            assert page.locator("#engine").inner_text().partition(" · ")[2].startswith("Docker 2")
            run("exec", "db", "rm", "/ok")
            page.locator(".graph [data-service=db].unhealthy.blamed").wait_for()
            run("exec", "db", "touch", "/ok")
            page.locator(".graph [data-service=db].healthy").wait_for()
            page.goto(f"{own}#/p/shop/s/db")
            page.locator(".log .line").first.wait_for()
            page.click("#tab-stats")
            page.locator("figure", has_text="Processes").wait_for()
            page.click("#tab-environment")
            page.get_by_text("MODE").wait_for()
            assert "hidden-from-all" not in page.content()
            page.click("#tab-mounts")
            page.get_by_text("shop_data").wait_for()
            page.click("#tab-files")
            page.get_by_role("button", name="etc/").wait_for()
            page.click("#tab-terminal")
            terminal = page.get_by_label("Terminal")
            terminal.get_by_text("/ #").wait_for()
            page.keyboard.type("echo $((6*7))!\n")
            terminal.get_by_text("42!").wait_for()
            for place, text in (
                ("images", "box"),
                ("volumes", "shop_data"),
                ("networks", "shop_default"),
                ("engine", "Build Cache"),
            ):
                page.goto(f"{own}#/{place}")
                page.locator("main").get_by_text(text).first.wait_for()
            page.get_by_text("No stack is bound to an owner.").wait_for()
            page.goto(f"{own}#/p/shop")
            page.locator('[data-key="do down"]').click()
            page.locator("dialog").get_by_role("button", name="Do it: down shop").click()
            page.get_by_text("This project has no containers.").wait_for()
            context.close()
        assert faults == []
