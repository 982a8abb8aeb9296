"""What the engine keeps beside containers, on the page: jobs with their runs, snapshots, leases, the disk, files, a plan's excerpts."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.fake_registry import fake_registry

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]


def _do(page: Page, button: str, said: str) -> None:
    """Press what a row or a bar offers, carry it out, and see what the command says."""
    page.locator(f'[data-key="do {button}"]').click()
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name="Do it:").click()
    dialog.get_by_text(said).wait_for()
    page.keyboard.press("Escape")


def test_a_job_is_run_and_its_history_read(page: Page, stack: Command) -> None:
    jobs = page.get_by_role("region", name="Jobs", exact=True)
    jobs.get_by_text("nightly").wait_for()
    assert "0 3 1 1 * (UTC)" in jobs.inner_text() and "never" in jobs.inner_text()
    _do(page, "job trigger nightly", "exit code 4")
    jobs.get_by_text("failed, exit code 4").wait_for()
    page.get_by_text("History of nightly (1)").click()
    row = page.get_by_role("region", name="History of nightly").locator("tbody tr")
    assert "manual" in row.inner_text() and row.get_by_text(" s", exact=False).count()
    # A run of a job is no start of the stack.
    assert page.locator(".fall text", has_text="nightly").count() == 0
    assert page.locator(".fall text", has_text="db").count() == 1
    _do(page, "job pause nightly", "exit code 0")
    jobs.get_by_text("paused").wait_for()
    _do(page, "job resume nightly", "exit code 0")
    jobs.get_by_text("paused").wait_for(state="detached")


def test_snapshots_are_saved_and_restored(page: Page, stack: Command) -> None:
    stack("exec", "db", "sh", "-c", "echo '<b>first</b>' > /var/lib/db/note")
    page.locator('[data-key="do snapshot save"]').click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Name").fill("before")
    dialog.get_by_role("button", name="Do it:").click()
    dialog.get_by_text("exit code 0").wait_for()
    page.keyboard.press("Escape")
    rows = page.get_by_role("region", name="Snapshots")
    rows.get_by_text("before").wait_for()
    stack("exec", "db", "sh", "-c", "echo second > /var/lib/db/note")
    _do(page, "snapshot restore before", "exit code 0")
    assert stack("exec", "db", "cat", "/var/lib/db/note").stdout == "<b>first</b>\n"
    page.goto(f"{page.url.partition('#')[0]}#/p/shop/s/db")
    page.locator(".log .line").first.wait_for()
    page.click("#tab-files")
    page.get_by_role("button", name="var/lib/db/").click()
    page.get_by_role("button", name="note").click()
    assert page.get_by_label("Content of /var/lib/db/note").inner_text().strip() == "<b>first</b>"
    with page.expect_download() as download:
        page.get_by_role("link", name="download").click()
    assert download.value.suggested_filename == "files.tar"
    page.goto(f"{page.url.partition('#')[0]}#/p/shop")
    _do(page, "snapshot rm before", "exit code 0")
    rows.wait_for(state="detached")


APPEARS = """([place, text, there]) => new Promise((done) => {
  const shown = () => [...document.querySelectorAll(place)].some((one) => one.textContent.includes(text)) === there;
  const look = () => { if (shown()) { seen.disconnect(); done(Date.now() / 1000); } };
  const seen = new MutationObserver(look);
  seen.observe(document.body, {subtree: true, childList: true, characterData: true});
  look();
})"""


def test_what_is_done_elsewhere_is_seen_at_once(page: Page, stack: Command) -> None:
    """Jobs, snapshots and leases, changed by commands: from the engine's event to the page, both by this machine's clock."""
    jobs, snapshots, leases = ('[aria-label="Jobs"]', '[aria-label="Snapshots"]', '[aria-label="Leases"]')
    lease = ""
    page.get_by_role("region", name="Jobs", exact=True).wait_for()
    steps = [
        (("jobs", "pause", "nightly"), jobs, "paused", True),
        (("jobs", "resume", "nightly"), jobs, "paused", False),
        (("snapshot", "save", "told"), snapshots, "told", True),
        (("snapshot", "rm", "told"), snapshots, "told", False),
        (("lease", "create", "ttl:1h"), leases, "ttl:3600s", True),
        (("lease", "release", "LEASE"), leases, "ttl:3600s", False),
    ]
    with subprocess.Popen(
        ["curl", "-sN", "--unix-socket", str(stack.root / "run/engine.sock"), "http://engine/pycompose/events"],
        stdout=subprocess.PIPE,
        text=True,
    ) as told:
        assert told.stdout is not None
        delays = []
        for words, place, text, there in steps:
            page.evaluate("(given) => { window.seen = (" + APPEARS + ")(given); }", [place, text, there])
            said = stack(*(lease if word == "LEASE" else word for word in words)).stdout.strip()
            lease = said if words[1] == "create" else lease
            seen = page.evaluate("() => window.seen")
            kind = {"jobs": "job"}.get(words[0], words[0])
            action = {"rm": "remove"}.get(words[1], words[1])
            event = next(one for one in map(json.loads, told.stdout) if (one["Type"], one["Action"]) == (kind, action))
            delays.append(seen - event["timeNano"] / 1e9)
        told.kill()
    assert statistics.median(delays) < 0.3, delays


def test_a_snapshot_is_sent_to_a_registry(page: Page, stack: Command) -> None:
    stack("snapshot", "save", "sent")
    with fake_registry() as registry:
        page.locator('[data-key="do snapshot push sent"]').click()
        dialog = page.locator("dialog")
        dialog.get_by_role("button", name="Do it:").click()
        assert registry.requests == [], "it was sent without a name"
        dialog.get_by_label("Name at the registry").fill(f"{registry.address}/team/seeded:1")
        dialog.get_by_label("Name at the registry").press("Tab")
        dialog.get_by_text(f"Snapshot sent  Pushing to {registry.address}/team/seeded:1").wait_for()
        assert registry.requests == [], "the plan alone has sent something"
        dialog.get_by_role("button", name="Do it:").click()
        dialog.get_by_text("exit code 0").wait_for()
        assert "1" in registry.manifests["team/seeded"]
        page.keyboard.press("Escape")
    page.get_by_text("snapshot sent sent to a registry").first.wait_for()
    _do(page, "snapshot rm sent", "exit code 0")


def test_the_engine_shows_its_disk_and_its_leases(page: Page, stack: Command) -> None:
    lease = stack("lease", "create", "ttl:1h").stdout.strip()
    page.goto(f"{page.url.partition('#')[0]}#/engine")
    disk = page.get_by_role("region", name="Disk")
    disk.get_by_text("Build Cache").wait_for()
    assert page.locator("dd", has_text=str(stack.root)).count() == 1
    leases = page.get_by_role("region", name="Leases")
    leases.get_by_text("shop").wait_for()
    assert "ttl:3600s" in leases.inner_text()
    _do(page, f"lease release {lease}", "exit code 0")
    page.get_by_text("No stack is bound to an owner.").wait_for()
    assert stack.ps()["shop-db-1"]["State"] == "running"


def test_a_plan_shows_the_lines_that_it_is_about(page: Page, stack: Command) -> None:
    file = stack.directory / "compose.yaml"
    before = file.read_text()
    try:
        file.write_text(before.replace("MODE: fast", "MODE: slow"))
        page.locator('[data-key="do up"]').click()
        output = page.locator("dialog").get_by_label("Output")
        output.get_by_text("fast → slow").wait_for()
        assert "| environment: {DB_PASSWORD: ********, MODE: slow}\n" in output.inner_text()
        assert "hidden-from-all" not in output.inner_text()
    finally:
        file.write_text(before)
