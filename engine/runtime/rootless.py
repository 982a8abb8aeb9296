"""An engine of an ordinary user: the keeper, before anything else, becomes root of a user namespace and starts anew there.

    keeper (uid 1000) ─┬─ a shim or container of this root lives: join its user namespace
                       └─ none does: make one ──► newuidmap, newgidmap: root and the user's subordinate ids
                                                └► not installed, or no ids given: root alone, who is the user
        own mount namespace, a slave of the host's ──► execve of the same command, as root in there

Everything below the root directory is of these ids, so how they are mapped is written there, and kept to.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..layout import OWNER
from ..linux import mount, namespace, process, userns
from ..linux.libc import KernelError
from . import idsfile
from .idsfile import ONE, RANGE
from .isolation import user_namespace

if TYPE_CHECKING:
    from ..layout import Layout

_TOOLS = {"uid": "newuidmap", "gid": "newgidmap"}
_KEYRING = "pycompose"


class Withheld(Exception):
    """What an engine without root needs and does not get; ``str(error)`` is one line with the remedy."""


class Subordinate(NamedTuple):
    """The ranges of ids that an administrator has given the user, and the programs that map them."""

    ranges: dict[str, tuple[userns.Range, ...]]
    tools: dict[str, str]


def enter(layout: Layout) -> NoReturn:
    """Execute this command once more, as root of the user namespace. Raises Withheld, and OSError for the root directory."""
    user, group = os.geteuid(), os.getegid()
    os.makedirs(layout.state, mode=0o700, exist_ok=True)
    living = user_namespace(layout)
    try:
        if living is not None:
            userns.join(living)
        else:
            _make(layout, user, group)
        userns.become_root()
    except OSError as error:
        raise Withheld(_why(error)) from None
    _probe()
    process.new_session_keyring(_KEYRING)
    if not os.environ.get("HOME"):
        with contextlib.suppress(KeyError):  # a user without an entry, as in some containers
            os.environ["HOME"] = pwd.getpwuid(user).pw_dir
    os.environ[OWNER] = str(user)
    program = os.readlink("/proc/self/exe")
    os.execv(program, [sys.executable or program, *sys.orig_argv[1:]])


def _make(layout: Layout, user: int, group: int) -> None:
    """A new user namespace, with ids as they are recorded, or else as many as can be had."""
    subordinate = subordinate_ids(user)
    kind = _recorded(layout) or (RANGE if subordinate is not None else ONE)
    if kind == RANGE and subordinate is None:
        raise Withheld(
            f"what is in {layout.state} belongs to subordinate ids, which cannot be mapped now: install the package uidmap,"
            " and give the user a range in /etc/subuid and /etc/subgid"
        )
    if kind == RANGE and subordinate is not None:
        _map_range(subordinate, user, group)
    else:
        userns.unshare()
        userns.map_own_id(user, group)
    if not layout.ids.exists():
        idsfile.write(layout, idsfile.Ids(kind))


def enter_range() -> None:
    """Become root of a new user namespace with all ids that this user can have. Raises Withheld."""
    user, group = os.geteuid(), os.getegid()
    subordinate = subordinate_ids(user)
    if subordinate is None:
        raise Withheld(
            "changing owners takes a range of ids: install the package uidmap, and give the user a range in /etc/subuid and /etc/subgid"
        )
    try:
        _map_range(subordinate, user, group)
        userns.become_root()
    except OSError as error:
        raise Withheld(_why(error)) from None


def _recorded(layout: Layout) -> str | None:
    try:
        found = idsfile.read(layout)
    except ValueError:
        raise Withheld(f"{layout.ids}: damaged: bring the file back from a backup") from None
    if found is not None and found.towards:
        raise Withheld(
            f"the owners in {layout.state} are being changed over: pycompose engine migrate {found.towards} goes on with it"
        )
    return None if found is None else found.kind


def subordinate_ids(user: int) -> Subordinate | None:
    """What the user has; None when ids, or the programs that map them, are missing."""
    tools = {kind: shutil.which(tool) or "" for kind, tool in _TOOLS.items()}
    if not all(tools.values()):
        return None
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = ""
    ranges = {kind: _given(f"/etc/sub{kind}", (name, str(user))) for kind in _TOOLS}
    return Subordinate(ranges, tools) if all(ranges.values()) else None


def _given(path: str, names: tuple[str, str]) -> tuple[userns.Range, ...]:
    try:
        with open(path) as file:
            lines = [line.strip().split(":") for line in file]
    except OSError:
        return ()
    found: list[userns.Range] = []
    inside = 1
    for line in lines:
        if len(line) == 3 and line[0] and line[0] in names and line[1].isdigit() and line[2].isdigit():
            found.append(userns.Range(inside, int(line[1]), int(line[2])))
            inside += int(line[2])
    return tuple(found)


def _map_range(subordinate: Subordinate, user: int, group: int) -> None:
    """Unshare, and have a child that stayed outside run the programs that may write the maps."""
    ready, go = os.pipe2(os.O_CLOEXEC)
    target = os.getpid()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(go)
            if os.read(ready, 1):
                code = _run_tools(subordinate, target, user, group)
        finally:
            os._exit(code)
    os.close(ready)
    try:
        userns.unshare()
        os.write(go, b"1")
    finally:
        os.close(go)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise Withheld(
            "newuidmap or newgidmap refused the ranges of /etc/subuid and /etc/subgid (it has said why above)"
        )


def _run_tools(subordinate: Subordinate, target: int, user: int, group: int) -> int:
    for kind, own in (("uid", user), ("gid", group)):
        numbers = [0, own, 1, *(number for one in subordinate.ranges[kind] for number in one)]
        command = [subordinate.tools[kind], str(target), *map(str, numbers)]
        pid = os.posix_spawn(command[0], command, os.environ)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            return 1
    return 0


def _probe() -> None:
    """Have what the rest relies on: mounts. A security module may give the namespace and take the rights."""
    try:
        namespace.unshare(namespace.CLONE_NEWNS)
        mount.set_propagation("/", mount.MS_SLAVE, recursive=True)
        os.close(mount.new_filesystem("tmpfs", [], source="tmpfs"))
    except KernelError as error:
        raise Withheld(_why(error)) from None


def _why(error: OSError) -> str:
    """Who withholds a user namespace, and how to get it."""
    for setting, refusing in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
    ):
        try:
            with open(f"/proc/sys/{setting}") as file:
                found = file.read().strip()
        except OSError:
            continue
        if found == refusing:
            name = setting.replace("/", ".")
            remedy = {"0": "15000" if "max" in setting else "1", "1": "0"}[refusing]
            return f"this machine gives ordinary users no user namespaces ({name} is {found}): sudo sysctl -w {name}={remedy}, or start the engine as root"
    return f"this machine gives ordinary users no user namespace with mounts ({error}): start the engine as root"
