"""develop.watch: which change means what."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import tarfile
from typing import TYPE_CHECKING, Any

from pycompose.compose.watch.actions import write_archive
from pycompose.compose.watch.rules import plan_work, rules_of
from pycompose.compose.watch.tree import Change, Stamp

if TYPE_CHECKING:
    from pathlib import Path


def rules(*entries: dict[str, Any], **service: Any) -> Any:
    return rules_of({"web": {"develop": {"watch": list(entries)}, **service}}, ["web"])


FILE, LINK, DIRECTORY = (Stamp(kind | 0o755, 1, 1) for kind in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR))


def work(found: Any, *paths: str, gone: tuple[str, ...] = ()) -> Any:
    return plan_work(found, {**dict.fromkeys(paths, Change(FILE, FILE)), **dict.fromkeys(gone, Change(FILE, None))})


def test_sync_and_delete() -> None:
    (one,) = work(rules({"action": "sync", "path": "/src", "target": "/app"}), "/src/a/b", gone=("/src/c",))
    assert one.changed == (("/src/a/b", "/app/a/b"),)
    assert one.deleted == ("/app/c",)
    assert not one.rebuild
    assert not one.restart


def test_rebuild_wins() -> None:
    found = rules(
        {"action": "sync", "path": "/src", "target": "/app"}, {"action": "rebuild", "path": "/src/package.json"}
    )
    (one,) = work(found, "/src/x", "/src/package.json")
    assert one.rebuild
    assert one.changed == ()
    (one,) = work(found, "/src/x")
    assert not one.rebuild


def test_ignore_and_include() -> None:
    found = rules(
        {"action": "sync", "path": "/src", "target": "/app", "ignore": ["node_modules/", "*.log"], "include": ["*.js"]}
    )
    assert work(found, "/src/node_modules/x.js", "/src/a.log", "/src/a.txt", "/src/.git/x", "/other") == []
    assert len(work(found, "/src/deep/a.js")) == 1


def test_restart_and_exec() -> None:
    found = rules(
        {"action": "sync+restart", "path": "/src/etc", "target": "/etc"},
        {"action": "sync+exec", "path": "/src/web", "target": "/web", "exec": {"command": ["reload"]}},
    )
    (one,) = work(found, "/src/etc/a", "/src/web/b")
    assert one.restart
    assert [rule.command for rule in one.hooks] == [("reload",)]


def test_a_watched_file() -> None:
    (one,) = work(rules({"action": "sync", "path": "/src/conf", "target": "/etc/conf"}), "/src/conf")
    assert one.changed == (("/src/conf", "/etc/conf"),)


def test_dockerignore_of_the_context_counts(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("secret\n")
    found = rules({"action": "rebuild", "path": str(tmp_path)}, build={"context": str(tmp_path)})
    assert work(found, f"{tmp_path}/secret/x") == []


def test_ignore_files_count_wherever_the_path_is_in_the_context(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("**/secret*\n!src/secret.ok\n")
    for action in ("sync", "rebuild", "restart"):
        found = rules(
            {"action": action, "path": str(tmp_path / "src"), "target": "/app"}, build={"context": str(tmp_path)}
        )
        assert work(found, f"{tmp_path}/src/deep/secret") == []
        assert len(work(found, f"{tmp_path}/src/secret.ok", f"{tmp_path}/src/a")) == 1
    (tmp_path / "dk").mkdir()
    (tmp_path / "dk" / "Dockerfile.dockerignore").write_text("src/only\n")
    found = rules(
        {"action": "sync", "path": str(tmp_path / "src"), "target": "/app"},
        build={"context": str(tmp_path), "dockerfile": "dk/Dockerfile"},
    )
    (one,) = work(found, f"{tmp_path}/src/secret", f"{tmp_path}/src/only")
    assert one.changed == ((f"{tmp_path}/src/secret", "/app/secret"),)


def test_what_one_ignore_list_takes_back_another_may_leave_out() -> None:
    found = rules({"action": "sync", "path": "/src", "target": "/app", "ignore": ["*.log", "!keep.log", "!.git"]})
    (one,) = work(found, "/src/a.log", "/src/deep/keep.log", "/src/.git/x")
    assert one.changed == (("/src/deep/keep.log", "/app/deep/keep.log"),)


def test_of_a_removed_directory_only_the_top_is_deleted() -> None:
    found = rules({"action": "sync", "path": "/src", "target": "/app"})
    gone = {"/src/a": Change(DIRECTORY, None), "/src/a/b": Change(FILE, None), "/src/a-b": Change(FILE, None)}
    (one,) = plan_work(found, gone)
    assert one.deleted == ("/app/a", "/app/a-b")


def test_the_target_of_a_watched_directory_stays() -> None:
    found = rules({"action": "sync", "path": "/src", "target": "/app"})
    (one,) = plan_work(found, {"/src": Change(DIRECTORY, None), "/src/a": Change(FILE, None)})
    assert one.deleted == ("/app/a",)
    (one,) = plan_work(found, {"/src": Change(None, DIRECTORY), "/src/a": Change(None, FILE)})
    assert one.changed == (("/src/a", "/app/a"),)


def test_what_is_of_another_kind_goes_first() -> None:
    found = rules({"action": "sync", "path": "/src", "target": "/app"})
    (one,) = plan_work(found, {"/src/a": Change(DIRECTORY, FILE), "/src/b": Change(FILE, LINK)})
    assert one.deleted == ("/app/a", "/app/b")
    assert one.changed == (("/src/a", "/app/a"), ("/src/b", "/app/b"))


def test_archive(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "hard")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "followed").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as door, contextlib.chdir(tmp_path):
        door.bind("socket")
    names = ("a", "hard", "link", "followed", "fifo", "socket", "gone")
    remarks: list[str] = []
    archive = io.BytesIO()
    followed = frozenset({str(tmp_path / "followed")})
    write_archive(archive, [(str(tmp_path / name), f"/app/{name}") for name in names], followed, remarks.append)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        kinds = {one.name: one.type for one in tar}
    assert kinds == {
        "app/a": tarfile.REGTYPE,
        "app/hard": tarfile.REGTYPE,
        "app/link": tarfile.SYMTYPE,
        "app/followed": tarfile.REGTYPE,
        "app/fifo": tarfile.FIFOTYPE,
    }
    assert remarks == []
