"""Jobs of a Compose file as their user lives with them: registered by up, run by hand, looked at, paused, taken down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

PROJECT = """
name: p
services:
  db:
    image: busybox
    command: sh -c 'echo up > /data/db; exec sleep 1000'
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    healthcheck: {test: "test -e /data/db", interval: 1s}
jobs:
  prepare:
    image: busybox
    command: sh -c 'echo prepared > /data/prepared'
    volumes: ["data:/data"]
    triggers: {manual: true}
  migrate:
    image: busybox
    command: sh -c 'cat /data/db /data/prepared; echo oops >&2; exit ${CODE:-0}'
    volumes: ["data:/data"]
    depends_on:
      db: {condition: service_healthy}
      prepare: {condition: service_completed_successfully}
    triggers: {manual: true, x-retries: 1, x-retry-delay: 10ms, x-keep: 3}
  nightly:
    image: busybox
    command: echo ${WORDS:-good night}
    triggers:
      schedule:
        - {cron: "0 3 * * *", timezone: Europe/Paris, concurrency: queue, missed_fires: skip}
  guarded:
    image: busybox
    command: "true"
    profiles: [more]
    triggers: {manual: false, schedule: ["0 0 1 1 *"]}
volumes:
  data: {}
"""


def listed(command: Command) -> dict[str, dict[str, str]]:
    lines = command("jobs", "ls", "--format", "json").stdout.splitlines()
    return {one["Name"]: one for one in map(json.loads, lines)}


def test_a_project_with_jobs(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(PROJECT)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    try:
        planned = command("plan", check=False).stdout
        assert "register job p.nightly" in planned and "the job is new" in planned and "guarded" not in planned
        command("up", "-d", "--wait")
        assert command("plan").returncode == 0
        nightly = listed(command)
        assert list(nightly) == ["nightly"]
        assert nightly["nightly"]["Trigger"] == "0 3 * * * Europe/Paris" and nightly["nightly"]["LastRun"] == "-"

        # By hand: what it depends on first, its output by stream, its exit code.
        done = command("run", "migrate")
        assert done.stdout == "up\nprepared\n" and "oops" in done.stderr
        failed = command("run", "migrate", check=False, CODE="3")
        assert failed.returncode == 3
        history = [
            json.loads(line) for line in command("jobs", "history", "migrate", "--format", "json").stdout.splitlines()
        ]
        assert [(one["Iteration"], one["State"], one["ExitCode"], one["Attempts"]) for one in history] == [
            ("2", "failed", "3", "2"),
            ("1", "succeeded", "0", "1"),
        ]
        assert command("jobs", "logs", "migrate", "--run", "1").stdout == "up\nprepared\n"
        assert "orphan" not in command("up", "-d", "--remove-orphans").stderr
        assert command("jobs", "logs", "migrate", "--run", "1").stdout == "up\nprepared\n"
        assert command("jobs", "trigger", "nightly").stdout == "good night\n"
        assert "cannot be started by hand" in command("run", "guarded", check=False).stderr

        drawn = {
            one["name"]: one["detail"] for one in json.loads(command("graph", "--format", "json").stdout)["services"]
        }
        assert drawn["migrate"] == "exited, exit code 3" and drawn["nightly"] == "exited", drawn

        # Another definition is registered with its history; the same one is nothing to do.
        assert "the job has changed" in command("plan", check=False, WORDS="bad night").stdout
        command("up", "-d", WORDS="bad night")
        assert command("jobs", "trigger", "nightly").stdout == "bad night\n"
        assert command("jobs", "logs", "nightly", "--run", "1").stdout == "good night\n"

        command("jobs", "pause", "nightly")
        assert listed(command)["nightly"]["Paused"] == "true" and listed(command)["nightly"]["NextFire"] == "-"
        command("jobs", "resume", "nightly")
        assert listed(command)["nightly"]["NextFire"] != "-"

        command("--profile", "more", "up", "-d")
        assert {"guarded", "migrate", "nightly"} <= set(listed(command))
        assert "jobs.sync" not in command("config", "-q").stdout
        wrong = command("jobs", "history", "nigtly", check=False)
        assert wrong.returncode == 1 and "did you mean nightly?" in wrong.stderr, wrong.stderr

        # A job that is gone from the file goes; down takes the rest.
        (directory / "compose.yaml").write_text(PROJECT.replace("  nightly:", "  weekly:"))
        command("up", "-d")
        assert "nightly" not in listed(command) and "weekly" in listed(command)
        command("down", "-v", "--remove-orphans")
        assert command("ps", "-aq").stdout == "" and command("volume", "ls", "-q").stdout == ""
    finally:
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("61 * * * *", "compose.yaml:2:3: job j: invalid cron expression '61 * * * *': bad minute"),
        ("0 0 * jan *", "invalid cron expression '0 0 * jan *'"),
    ],
)
def test_a_schedule_that_is_none_is_told_with_its_place(tmp_path: Path, cron: str, words: str) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(
        f"jobs:\n  j:\n    image: busybox\n    triggers:\n      schedule: ['{cron}']\n"
    )
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    try:
        failed = command("up", "-d", check=False)
        assert failed.returncode == 1 and words in failed.stderr, failed.stderr
        command("down")
    finally:
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)
