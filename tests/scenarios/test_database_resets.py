"""A seeded MariaDB is reset a hundred times: identical contents each time. The times are printed (pytest -s)."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wordpress" / "db"
ROUNDS = 100

STACK = """
services:
  db:
    build: ./db
    environment: {MYSQL_DATABASE: app, MYSQL_USER: app, MYSQL_PASSWORD: app, MYSQL_ROOT_PASSWORD: root}
    volumes: ["data:/var/lib/mysql"]
    healthcheck:
      test: ["CMD-SHELL", "mariadb -h 127.0.0.1 -u app -papp -e 'SELECT 1' app"]
      interval: 1s
      retries: 60
      start_period: 60s
volumes:
  data:
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    shutil.copytree(EXAMPLE, tmp_path / "project" / "db")
    (tmp_path / "project" / "compose.yaml").write_text(STACK)
    command = Command(tmp_path / "root", tmp_path / "project")
    try:
        command("image", "bootstrap", "debian:bookworm-slim")
        command("up", "-d", "--build", "--wait", timeout=300)
        yield command
    finally:
        command("down", "-v", check=False)
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)


def sql(command: Command, text: str) -> str:
    return command("exec", "-T", "db", "mariadb", "-u", "app", "-papp", "-N", "-e", text, "app").stdout


def contents(command: Command) -> str:
    dump = "mariadb-dump -u root -proot --skip-dump-date --single-transaction app | sha256sum"
    return command("exec", "-T", "db", "sh", "-c", dump).stdout


def test_a_hundred_resets(command: Command) -> None:
    rows = int(os.environ.get("RESET_ROWS", "20000"))
    sql(command, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200))")
    sql(command, f"INSERT INTO t (text) SELECT REPEAT(MD5(seq), 6) FROM seq_1_to_{rows}")
    command("snapshot", "save", "seeded")
    before = contents(command)
    times = []
    for number in range(ROUNDS):
        sql(command, f"DELETE FROM t WHERE id % {number % 7 + 2} = 0; CREATE TABLE u{number} (i INT)")
        begin = time.monotonic()
        command("snapshot", "restore", "seeded")
        times.append(time.monotonic() - begin)
        assert contents(command) == before
    times.sort()
    print(f"\nreset: median {statistics.median(times):.3f} s, 95 % below {times[94]:.3f} s, longest {times[-1]:.3f} s")
