"""A root directory changes between one id and a range of ids, and keeps what is in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.engine_root import wait_for
from support.ordinary_user import OrdinaryUser, census, ordinary_user

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.rootless]

DOCKERFILE = """
FROM busybox:test
COPY --chown=33:34 file /data/file
COPY --chown=33:34 --chmod=4755 file /data/set
COPY --chown=0:0 file /data/roots
RUN chown 33:34 /data; ln /data/set /data/hard; ln -s file /data/link
"""
SHOW = "cd /data && stat -c '%n %u:%g %a' . file set hard roots link"


@pytest.fixture
def one() -> Iterator[OrdinaryUser]:
    """With one id so far, and ranges that only have to be used."""
    if shutil.which("newuidmap") is None:
        pytest.skip("no newuidmap here: the package uidmap has it")
    with ordinary_user("one") as made:
        (made.home / "busybox.tar").write_bytes(busybox_rootfs().read())
        made.run("image", "import", "busybox.tar", "busybox:test")
        yield made
        replace(made, kind="range").run("engine", "stop", "--force")
        wait_for(lambda: census(made) == ([], [], []), lambda: census(made))


def shown(user: OrdinaryUser, *options: str, command: str = SHOW) -> list[str]:
    return user.run("container", "run", "--rm", *options, "built:test", "sh", "-c", command).stdout.splitlines()


def test_there_and_back(one: OrdinaryUser) -> None:
    many = replace(one, kind="range")
    context = one.home / "context"
    context.mkdir()
    (context / "file").write_text("x\n")
    (context / "Dockerfile").write_text(DOCKERFILE)
    one.give(context)
    one.run("builder", "build", "-t", "built:test", "context")
    one.run("container", "create", "--name", "kept", "-v", "data:/data", "built:test", "cat", "/data/new")
    shown(
        one,
        "-v",
        "data:/data",
        command="echo new >/data/new; ln -s new /data/newlink; mkdir /data/down; : >/data/down/x",
    )

    refused = many.run("engine", "migrate", "range", check=False)
    assert (refused.returncode, refused.stderr.splitlines()) == (
        1,
        ['pycompose engine migrate: the engine or a container runs: "pycompose engine stop" first'],
    )
    one.run("engine", "stop")
    refused = one.run("engine", "migrate", "range", check=False)
    assert refused.returncode == 1 and "install the package uidmap" in refused.stderr
    told = many.run("engine", "migrate", "range")
    assert "has a range of ids now" in told.stdout and "stay root's" not in told.stdout

    wanted = [". 33:34 755", "file 33:34 644", "set 33:34 4755", "hard 33:34 4755", "roots 0:0 644"]
    assert shown(many)[:5] == wanted
    volume = shown(many, "-v", "data:/data")
    assert volume[:4] == wanted[:4]
    made = shown(many, "-v", "data:/data", command="cd /data && stat -c %u:%g new newlink down down/x")
    assert made == ["33:34"] * 4  # what was made in that user's directory without other ids
    assert many.run("container", "start", "-a", "kept").stdout == "new\n"
    shown(many, "-v", "data:/data", command="chown 5:5 /data/new; : >/data/down/roots")
    many.run("engine", "stop")

    told = many.run("engine", "migrate", "one")
    assert "has one id now" in told.stdout
    assert json.loads((one.state / "ids.json").read_text()) == {"v": 1, "kind": "one"}
    foreign = [path for path in one.state.rglob("*") if path.lstat().st_uid != one.uid]
    assert foreign == []
    assert shown(one, "-v", "data:/data", command="cat /data/new; stat -c %u:%a /data/set") == ["new", "0:4755"]
    one.run("engine", "stop")

    assert many.run("engine", "migrate", "one").stdout.endswith("has one id already\n")
    many.run("engine", "migrate", "range")
    owned = shown(many, "-v", "data:/data", command="cd /data && stat -c %u:%g new down/x down/roots set roots link")
    assert owned[:4] == ["5:5", "33:34", "0:0", "33:34"]
    assert shown(many)[:5] == wanted


def test_a_change_that_was_broken_off_is_gone_on_with(one: OrdinaryUser) -> None:
    many = replace(one, kind="range")
    one.run("engine", "stop")
    (one.state / "ids.json").write_text(json.dumps({"v": 2, "kind": "one", "towards": "range"}))
    for user in (one, many):
        refused = user.run("image", "ls", check=False)
        assert refused.returncode != 0 and "Traceback" not in refused.stderr
        assert "pycompose engine migrate range goes on with it" in refused.stderr
    assert "has a range of ids now" in many.run("engine", "migrate", "range").stdout
    assert "busybox" in many.run("image", "ls").stdout
