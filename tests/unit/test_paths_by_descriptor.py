"""Nothing below a container's, volume's, layer's or context's root is opened, changed or removed by name.

Read from the source: in the packages that handle strangers' trees every call that takes a path must go by descriptor
(``dir_fd=`` with one component, or what engine/linux/entries.py and paths.py opened), unless the list below says whose
path it is. The list may only shrink: an entry that nothing uses fails the test.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = Path(__file__).resolve().parents[2] / "engine"
PLACES = ("images/*.py", "volumes/*.py", "build/*.py", "buildkit/filesync.py", "trash.py", "layout.py", "containers/life/archive.py",
          "containers/view/changes.py", "containers/life/commit.py", "containers/life/ipc.py", "containers/life/memory.py",
          "containers/spec/mounts.py", "containers/spec/skeleton.py", "linux/entries.py", "linux/paths.py", "linux/tree.py")  # fmt: skip

STORE = "the engine's own store: names that it has chosen, in directories that only it can enter"
OWN = "a directory that the engine has made for this step, build or run, before a stranger's file is in it"
KERNEL = "a file of /proc"
USER = "a path of the host that the user of the API has named, as the user's"

ALLOWED = {
    "build/cache.py": STORE,
    "build/cachedir.py": USER,
    "build/mountcache.py": STORE,
    "build/filecache.py": STORE,
    "build/outputs.py": USER,
    "build/runner.py": OWN,
    "build/service.py": OWN,
    "build/session.py": OWN,
    "build/contexts.py:open_context": OWN,
    "build/contexts.py:received_definition": OWN,
    "build/contexts.py:_fetch": OWN,
    "build/contexts.py:_read_outside": USER,
    "build/remote.py": OWN,
    "build/runstep.py:RunPlan._ssh": USER,
    "build/stage.py:StageBuild._make": OWN,
    "containers/life/archive.py:root": USER,
    "containers/life/archive.py:_running_root": KERNEL,
    "containers/life/archive.py:_of_the_kernel": KERNEL,
    "containers/life/archive.py:_real": KERNEL,
    "containers/life/archive.py:_identity.read": "an open descriptor, as a file",
    "containers/life/ipc.py:shared_memory": OWN,
    "containers/life/ipc.py:image_view": OWN,
    "containers/life/ipc.py:part": OWN,
    "containers/life/ipc.py:mounts_below": KERNEL,
    "containers/life/memory.py": STORE,
    "containers/spec/skeleton.py": STORE,
    "images/blobs.py": STORE,
    "images/catalogue.py": STORE,
    "images/durability.py": STORE,
    "images/layers.py": STORE,
    "images/load.py": OWN,
    "images/save.py": STORE,
    "images/service.py": OWN,
    "images/trust.py": "certificates of the administrator, in /etc",
    "images/views.py": OWN,
    "buildkit/filesync.py:Sender._send": "an open descriptor, as a file",
    "layout.py:runtime_directory": USER,
    "linux/entries.py:open_root": "the door: directories of the engine's own, or named by the user",
    "linux/entries.py:set_mode": KERNEL,
    "linux/entries.py:link": KERNEL,
    "linux/entries.py:reopen": KERNEL,
    "linux/tree.py:remove_directory": "the parent of what is removed, which is the engine's",
    "linux/tree.py:tree_size": STORE,
    "trash.py": STORE,
    "volumes/driver.py:is_mounted": KERNEL,
    "volumes/incoming.py": STORE,
    "volumes/layers.py": STORE,
    "volumes/service.py": STORE,
    "volumes/shipping.py": STORE,
    "volumes/snapshots.py": STORE,
}  # fmt: skip

# Of os: these take names; with dir_fd the name is one entry of a directory that is held open.
NAMED = frozenset(
    {
        "open", "stat", "lstat", "mkdir", "makedirs", "mknod", "mkfifo", "symlink", "link", "unlink", "remove", "rmdir",
        "removedirs", "rename", "replace", "renames", "readlink", "truncate", "access", "statvfs", "chdir", "chroot",
        "chmod", "lchmod", "chown", "lchown", "utime", "walk",
    }
)  # fmt: skip
# These take a name or a descriptor: what looks like a path is a path.
EITHER = frozenset(["listdir", "scandir", "getxattr", "setxattr", "listxattr", "removexattr"])
FOLLOWING = frozenset({"stat", "chown", "utime", "link", "access", "chmod"})
"""These follow a link even with dir_fd, unless told not to; chmod cannot be told (before Linux 6.6)."""
PATH = frozenset(
    {
        "open", "stat", "lstat", "chmod", "lchmod", "mkdir", "touch", "symlink_to", "hardlink_to", "unlink", "rmdir",
        "rename", "iterdir", "glob", "rglob", "exists", "is_file", "is_dir", "is_symlink", "is_mount", "is_socket",
        "is_fifo", "read_text", "read_bytes", "write_text", "write_bytes", "samefile",
    }
)  # fmt: skip
NOT_PATHS = frozenset(
    {"entries", "self", "values", "tree", "destination.root", "self._blobs", "entry", "child", "trash"}
)
"""What has methods of those names and is no path: trees, directory entries, the store of blobs."""


class Call(NamedTuple):
    where: str
    line: int
    name: str
    by_descriptor: bool


def calls(source: str) -> Iterator[tuple[str, int, ast.Call]]:
    """Every call with the qualified name of the function it is in."""
    stack: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    while stack:
        where, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            inner = where
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{where}.{child.name}".lstrip(".")
            if isinstance(child, ast.Call):
                yield where, child.lineno, child
            stack.append((inner, child))


def by_name(source: str) -> Iterator[Call]:
    """Calls that reach a file by its name, and calls that follow a link though they have a descriptor."""
    for where, line, call in calls(source):
        function = call.func
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if isinstance(function, ast.Name) and function.id == "open":
            yield Call(where, line, "open", False)
        if not isinstance(function, ast.Attribute):
            continue
        owner, name = ast.unparse(function.value), function.attr
        if owner == "os" and name in NAMED | EITHER:
            held = keywords.keys() & {"dir_fd", "src_dir_fd"}
            if name in FOLLOWING and held and not _refuses_links(keywords.get("follow_symlinks")):
                yield Call(where, line, f"os.{name} through links", True)
            elif not held and not ((name in EITHER or name == "utime") and _is_descriptor(call.args[0])):
                yield Call(where, line, f"os.{name}", False)
        elif owner in ("os.path", "shutil") and name not in _PURE:
            yield Call(where, line, f"{owner}.{name}", False)
        elif name in PATH and owner not in NOT_PATHS and owner not in ("os", "shutil", "os.path"):
            yield Call(where, line, f"Path.{name}", False)


_PURE = frozenset(
    {
        "join", "split", "splitext", "basename", "dirname", "isabs", "normpath", "abspath", "which", "relpath",
        "commonpath",
    }
)  # fmt: skip


def _refuses_links(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def _is_descriptor(argument: ast.expr) -> bool:
    """A plain name or a call; a path is put together or has a home."""
    return isinstance(argument, ast.Name | ast.Call) and "path" not in ast.unparse(argument)


def test_strangers_trees_are_reached_by_descriptor() -> None:
    used: set[str] = set()
    wrong = []
    for path in sorted(path for place in PLACES for path in ENGINE.glob(place)):
        module = path.relative_to(ENGINE).as_posix()
        for call in by_name(path.read_text()):
            keys = [module, f"{module}:{call.where}"]
            known = [key for key in keys if key in ALLOWED]
            used.update(known)
            if call.by_descriptor or not known:
                wrong.append(f"engine/{module}:{call.line} {call.where or 'module'}: {call.name}")
    assert wrong == []
    assert sorted(ALLOWED.keys() - used) == []


@pytest.mark.parametrize(
    "line",
    [
        "os.chmod(name, 0o644, dir_fd=parent)",
        "os.chown(name, 0, 0, dir_fd=parent)",
        "os.stat(name, dir_fd=parent)",
        "os.open(root / name, os.O_RDONLY)",
        "os.listdir(root / name)",
        "os.scandir(upper + path)",
        "os.walk(tree)",
        "shutil.rmtree(tree)",
        "(root / name).read_bytes()",
        "path.chmod(0o644)",
        "open(path)",
        "os.path.exists(path)",
        "os.setxattr(root / name, 'user.x', b'')",
        "os.link(a, b, src_dir_fd=x, dst_dir_fd=y)",
    ],
)
def test_what_goes_by_name_is_found(line: str) -> None:
    assert list(by_name(line))


@pytest.mark.parametrize(
    "line",
    [
        "os.chown(name, 0, 0, dir_fd=parent, follow_symlinks=False)",
        "os.unlink(name, dir_fd=parent)",
        "os.listdir(directory)",
        "os.setxattr(fd, name, value)",
        "os.utime(fd, ns=(1, 1))",
        "os.path.join(a, b)",
        "entries.set_mode(parent, name, 0o644, kind)",
    ],
)
def test_what_goes_by_descriptor_is_not(line: str) -> None:
    assert not list(by_name(line))
