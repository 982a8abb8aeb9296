"""Where COPY reads from: a directory seen as a root, and the files of it that one source of a COPY selects.

The tree may be hostile: every path is opened with RESOLVE_IN_ROOT, and symbolic links on the way to a source mean what
they mean inside the tree. What a selection holds decides both the cache key and what is copied, so both walk once.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...grammar.ignore import Ignore, glob, is_wildcard
from ..errors import Unprocessable
from ..linux import entries
from ..linux.libc import KernelError
from ..linux.paths import open_in_root
from .filecache import encode_xattrs, read_xattrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...grammar.ignore import Verdict
    from .filecache import FileDigests

_LINKS = 40


@dataclass(frozen=True, slots=True)
class Tree:
    """A root directory (``fd``, kept open by the owner).

    ``ignore`` hides files (a context's .dockerignore); ``own`` says that files belong to root whatever the disk says, as
    in a context. ``name`` is how errors call it.
    """

    fd: int
    name: str
    ignore: Ignore | None = None
    own: bool = False

    def open(self, path: str, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> int:
        """A descriptor of a path that was found by walking: no symbolic link is followed any more."""
        return open_in_root(self.fd, path or ".", flags, symlinks=False)

    def open_kind(self, path: str, kind: int) -> int | None:
        """A path that was found by walking, opened for reading if it is (still) of the ``kind`` (of stat.S_IFMT).

        Told apart before it is opened: opening a device can be an act.
        """
        pinned = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return entries.reopen(pinned) if stat.S_IFMT(os.fstat(pinned).st_mode) == kind else None
        finally:
            os.close(pinned)

    def status(self, path: str) -> os.stat_result | None:
        """lstat of a canonical path; None when there is nothing."""
        try:
            fd = open_in_root(self.fd, path or ".", os.O_PATH | os.O_NOFOLLOW, symlinks=False)
        except KernelError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def canonical(self, path: str, *, follow_last: bool = True) -> str | None:
        """The path with every symbolic link resolved below the root; None when it does not exist."""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        real: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del real[-1:]
                continue
            here = "/".join([*real, part])
            status = self.status(here)
            if status is None:
                return None
            if stat.S_ISLNK(status.st_mode) and (todo or follow_last):
                links += 1
                if links > _LINKS:
                    raise Unprocessable(f"{path}: too many levels of symbolic links")
                target = self.link(here)
                if target.startswith("/"):
                    real = []
                todo += [piece for piece in reversed(target.split("/")) if piece not in ("", ".")]
                continue
            real.append(part)
        return "/".join(real)

    def link(self, path: str) -> str:
        """The target of a symbolic link at a canonical path."""
        fd = open_in_root(self.fd, path, os.O_PATH | os.O_NOFOLLOW, symlinks=False)
        try:
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a selection: ``relative`` to what was selected ("" for itself), ``path`` in the tree."""

    relative: str
    path: str
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class Selection:
    """What one source names. ``name`` is the last component as the user wrote it: a file copied into a directory keeps
    it. For a directory, its contents are meant; the first entry is the directory itself."""

    name: str
    tree: Tree
    entries: tuple[Entry, ...]

    @property
    def is_directory(self) -> bool:
        return bool(self.entries) and stat.S_ISDIR(self.entries[0].status.st_mode)


def select(tree: Tree, source: str, exclude: Sequence[str] = ()) -> list[Selection]:
    """What ``source`` (wildcards allowed) names in ``tree``, in order of name; raises Unprocessable when nothing is there.

    A pattern that matches nothing gives an empty list, a plain path that does not exist an error.
    """
    excluded = Ignore(exclude) if exclude else None
    parts = [part for part in source.split("/") if part not in ("", ".")]
    clean: list[str] = []
    for part in parts:
        if part == "..":
            del clean[-1:]
        else:
            clean.append(part)
    first_wild = next((index for index, part in enumerate(clean) if is_wildcard(part)), len(clean))
    if first_wild == len(clean):
        selection = _one(tree, "/".join(clean), excluded)
        if selection is None:
            raise missing(tree, source)
        return [selection]
    base = tree.canonical("/".join(clean[:first_wild]))
    if base is None:
        return []
    found = []
    for path in _matches(tree, base, clean[first_wild:]):
        selection = _one(tree, path, excluded)
        if selection is not None:
            found.append(selection)
    return found


def missing(tree: Tree, source: str) -> Unprocessable:
    """The error for a source that is not there."""
    shown = "/" + source.lstrip("/")
    if tree.ignore is not None and tree.canonical(source) is not None:
        return Unprocessable(f'"{shown}": not found: the file is excluded by .dockerignore')
    return Unprocessable(
        f'failed to compute cache key: failed to calculate checksum of {tree.name}: "{shown}": not found'
    )


def _matches(tree: Tree, base: str, patterns: list[str]) -> Iterator[str]:
    """Canonical directory ``base`` joined with names that match; links below it are not followed, as in Go's Walk."""
    pattern = glob(patterns[0])
    try:
        fd = tree.open(base)
    except KernelError:
        return
    try:
        names = sorted(os.listdir(fd))
    finally:
        os.close(fd)
    for name in names:
        if not pattern.match(name):
            continue
        path = f"{base}/{name}" if base else name
        if len(patterns) == 1:
            yield path
        else:
            status = tree.status(path)
            if status is not None and stat.S_ISDIR(status.st_mode):
                yield from _matches(tree, path, patterns[1:])


def _one(tree: Tree, path: str, exclude: Ignore | None) -> Selection | None:
    real = tree.canonical(path)
    if real is None:
        return None
    status = tree.status(real)
    assert status is not None
    name = path.rpartition("/")[2]
    if not stat.S_ISDIR(status.st_mode):
        hidden = tree.ignore is not None and tree.ignore.ignores(real)
        if hidden or (exclude is not None and exclude.ignores(name)):
            return None if hidden else Selection(name, tree, ())
        return Selection(name, tree, (Entry("", real, status),))
    entries = list(_walk(tree, real, exclude=exclude))
    if len(entries) == 1 and tree.ignore is not None and real and tree.ignore.ignores(real):
        return None
    return Selection(name, tree, tuple(entries))


def select_parents(tree: Tree, source: str, exclude: Sequence[str] = ()) -> list[Selection]:
    """``COPY --parents``: files matching ``source`` with the directories that lead to them, from a ``/./`` pivot on."""
    pivot, found, pattern = source.partition("/./")
    if not found:
        pivot, pattern = "", source
    pattern = "/".join(part for part in pattern.split("/") if part not in ("", "."))
    bases = select_bases(tree, pivot)
    selections = []
    for base in bases:
        include = Ignore([pattern or "**"])
        excluded = Ignore(exclude) if exclude else None
        entries = tuple(_walk(tree, base, exclude=excluded, include=include))
        if len(entries) > 1:
            selections.append(Selection("", tree, entries))
    if not selections and not any(is_wildcard(part) for part in source.split("/")):
        raise missing(tree, source)
    return selections


def select_bases(tree: Tree, path: str) -> list[str]:
    """Canonical directories that ``path`` (wildcards allowed) names."""
    if not any(is_wildcard(part) for part in path.split("/")):
        real = tree.canonical(path)
        return [] if real is None else [real]
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return [real for found in _matches(tree, "", parts) if (real := tree.canonical(found)) is not None]


def _walk(tree: Tree, base: str, *, exclude: Ignore | None = None, include: Ignore | None = None) -> Iterator[Entry]:
    """``base`` and all below it that is neither ignored nor excluded, directories before their contents, by name.

    With ``include`` only what matches it (or lies in a directory that does). A directory that is itself not wanted
    appears when something below it is.
    """
    status = tree.status(base)
    assert status is not None
    top = Entry("", base, status)
    yield top
    rules = [(rule, wanted) for rule, wanted in ((tree.ignore, False), (exclude, False), (include, True)) if rule]
    start: list[Verdict | None] = [None for _ in rules]
    if tree.ignore and base:
        verdict: Verdict | None = None
        parts = base.split("/")
        for depth in range(1, len(parts) + 1):
            verdict = tree.ignore.check("/".join(parts[:depth]), verdict)
        start[0] = verdict
    stack = [_Level(top, start, [], _children(tree, base))]
    while stack:
        level = stack[-1]
        if not level.children:
            stack.pop()
            continue
        name, status = level.children.pop()
        directory = level.directory
        relative = f"{directory.relative}/{name}" if directory.relative else name
        path = f"{directory.path}/{name}" if directory.path else name
        checked: list[Verdict | None] = []
        wanted = True
        descend = True
        for (rule, positive), above in zip(rules, level.verdicts, strict=True):
            mine = rule.check(path if rule is tree.ignore else relative, above)
            checked.append(mine)
            wanted = wanted and mine.ignored == positive
            if not positive and mine.ignored:
                descend = descend and rule.may_return(path if rule is tree.ignore else relative)
        entry = Entry(relative, path, status)
        is_directory = stat.S_ISDIR(status.st_mode)
        if wanted:
            yield from level.held_back
            for above_this in stack:
                above_this.held_back.clear()
            yield entry
        if is_directory and descend:
            held_back = [] if wanted else [*level.held_back, entry]
            stack.append(_Level(entry, checked, held_back, _children(tree, path)))


@dataclass(slots=True)
class _Level:
    """A directory being walked. ``held_back`` are directories that appear only if something below them is wanted."""

    directory: Entry
    verdicts: list[Verdict | None]
    held_back: list[Entry]
    children: list[tuple[str, os.stat_result]]


def _children(tree: Tree, path: str) -> list[tuple[str, os.stat_result]]:
    """Names in a directory with their status, last one first, for popping."""
    fd = tree.open(path)
    found = []
    try:
        with os.scandir(fd) as children:
            for child in children:
                with contextlib.suppress(FileNotFoundError):  # gone since the directory was read
                    found.append((child.name, child.stat(follow_symlinks=False)))
    finally:
        os.close(fd)
    found.sort(key=_by_name, reverse=True)
    return found


def _by_name(child: tuple[str, os.stat_result]) -> bytes:
    return os.fsencode(child[0])


# digests -----------------------------------------------------------------------------------------------------------
def digest(selection: Selection, files: FileDigests) -> str:
    """A digest over names, kinds, modes, owners, xattrs and contents. Times do not count."""
    total = hashlib.sha256()
    tree = selection.tree
    name = "" if selection.is_directory else selection.name
    total.update(f"{len(selection.entries)} {name}\0".encode("utf-8", "surrogateescape"))
    for entry in selection.entries:
        status = entry.status
        mode = status.st_mode
        owner = (0, 0) if tree.own else (status.st_uid, status.st_gid)
        content = b""
        if stat.S_ISREG(mode):
            content = _fingerprint(tree, entry, files)
        elif stat.S_ISLNK(mode):
            content = os.fsencode(tree.link(entry.path))
            mode = stat.S_IFLNK
        elif stat.S_ISDIR(mode):
            with opened(tree, entry) as fd:
                content = encode_xattrs(read_xattrs(fd))
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            content = str(status.st_rdev).encode()
        head = f"{mode:o} {owner[0]} {owner[1]} {len(content)} {entry.relative}\0"
        total.update(head.encode("utf-8", "surrogateescape"))
        total.update(content)
    return total.hexdigest()


def _fingerprint(tree: Tree, entry: Entry, files: FileDigests) -> bytes:
    known = files.known(entry.status)
    if known is not None:
        return known
    with opened(tree, entry) as fd:
        return files.fingerprint(fd)


@contextlib.contextmanager
def opened(tree: Tree, entry: Entry) -> Iterator[int]:
    """A regular file or directory of a selection, open for reading."""
    fd = tree.open_kind(entry.path, stat.S_IFMT(entry.status.st_mode))
    if fd is None:
        raise Unprocessable(f"{entry.path}: changed while it was read")
    try:
        yield fd
    finally:
        os.close(fd)
