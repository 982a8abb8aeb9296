"""develop.watch: which change means what."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

from pycompose.compose.watch.actions import archive
from pycompose.compose.watch.inotify import TreeWatch
from pycompose.compose.watch.rules import plan_work, rules_of

if TYPE_CHECKING:
    from pathlib import Path


def rules(*entries: dict[str, Any], **service: Any) -> Any:
    return rules_of({"web": {"develop": {"watch": list(entries)}, **service}}, ["web"])


def work(found: Any, *paths: str, gone: tuple[str, ...] = ()) -> Any:
    return plan_work(found, [*paths, *gone], {path: path not in gone for path in (*paths, *gone)})


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
        {"action": "sync+exec", "path": "/src/web", "target": "/web", "exec": {"command": "reload"}},
    )
    (one,) = work(found, "/src/etc/a", "/src/web/b")
    assert one.restart
    assert [rule.command for rule in one.hooks] == [("/bin/sh", "-c", "reload")]


def test_a_watched_file() -> None:
    (one,) = work(rules({"action": "sync", "path": "/src/conf", "target": "/etc/conf"}), "/src/conf")
    assert one.changed == (("/src/conf", "/etc/conf"),)


def test_dockerignore_of_the_context_counts(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("secret\n")
    found = rules({"action": "rebuild", "path": str(tmp_path)}, build={"context": str(tmp_path)})
    assert work(found, f"{tmp_path}/secret/x") == []


def test_archive(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    data = archive([(str(tmp_path / "a"), "/app/a"), (str(tmp_path / "gone"), "/app/gone")])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["app/a"]


def test_tree_watch_follows_new_directories(tmp_path: Path) -> None:
    (tmp_path / "skip").mkdir()
    watch = TreeWatch([str(tmp_path)], lambda path: path.endswith("/skip"), print)
    try:
        (tmp_path / "skip" / "unseen").write_text("")
        (tmp_path / "new" / "deep").mkdir(parents=True)
        (tmp_path / "new" / "deep" / "file").write_text("x")
        seen: set[str] = set()
        while str(tmp_path / "new" / "deep" / "file") not in seen:
            changed = watch.wait(5.0)
            assert changed
            seen |= changed
        (tmp_path / "new" / "deep" / "file").unlink()
        assert watch.wait(5.0)
        assert str(tmp_path / "skip" / "unseen") not in seen
        watch.close()
        assert watch.wait(5.0) is None
    finally:
        watch.release()
