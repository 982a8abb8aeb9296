"""Build contexts: where a build's files come from, opened as a tree, with the Dockerfile and its ignore patterns.

A directory of the host is read in place; tars, repositories and downloads are unpacked into the build's own directory
first. All of their files are untrusted: what is read here is resolved below the context's root.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...grammar.ignore import Ignore, PatternError, read_patterns
from .. import bounds
from ..errors import InvalidParameter, NotFound, Unprocessable
from ..images.compression import chunks, decompress
from ..images.unpack import unpack
from ..linux import entries
from ..linux.libc import KernelError
from . import remote
from .options import DirectoryContext, EmptyContext, ReceivedContext, RemoteContext, TarContext
from .trees import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .options import Context, FileSource

_TAR_BLOCK = 512


@dataclass(frozen=True, slots=True)
class OpenContext:
    """A context that can be copied from. ``path`` is its root on the host, for bind mounts."""

    tree: Tree
    path: Path
    dockerfile: bytes
    dockerfile_name: str
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """What is still to be received into a context's root. ``ignore`` is the text of the Dockerfile's own ignore file."""

    files: FileSource
    ignore: bytes | None

    def patterns(self, scratch: Path) -> tuple[str, ...]:
        """What is not to be sent. ``scratch`` is a new directory."""
        text = self.ignore
        if text is None:
            self.files.receive(scratch, paths=[".dockerignore"])
            with open_directory(scratch, "build context") as tree:
                text = read_file(tree, ".dockerignore", bounds.DOCKERFILE) or b""
        patterns = read_patterns(text.decode("utf-8", "surrogateescape"))
        try:
            Ignore(patterns)
        except PatternError as error:
            raise Unprocessable(f"failed to read .dockerignore: {error}") from None
        return patterns


@contextmanager
def open_context(
    context: Context,
    *,
    dockerfile: str,
    inline: str | None,
    workdir: Path,
    cancelled: Callable[[], bool],
    received: Callable[[FileSource, Path], AbstractContextManager[Path]],
    agents: Mapping[str, Path],
) -> Iterator[OpenContext]:
    """Open a context with its Dockerfile, which ``inline`` replaces. ``workdir`` is the build's own, and empty. ``agents`` are the
    ssh agents that the client lends.

    ``received`` gives the directory for a client's files, which may hold what came last time; the path given to it is there
    to be made."""
    root = workdir / "context"
    text: bytes | None = None if inline is None else inline.encode("utf-8", "surrogateescape")
    if isinstance(context, ReceivedContext):
        own: bytes | None = None
        if text is None:
            text, own = received_definition(context.definition, dockerfile, workdir / "definition")
        with received(context.files, root) as root, open_directory(root, "build context") as tree:
            name = os.path.basename(dockerfile) or "Dockerfile"
            yield OpenContext(Tree(tree.fd, tree.name, own=True), root, text, name, Pending(context.files, own))
        return
    if isinstance(context, DirectoryContext):
        root = context.path
        if not root.is_absolute():
            raise InvalidParameter(f"{root}: a context directory must be absolute")
    else:
        root.mkdir()
        if isinstance(context, TarContext):
            lone = fill_from_archive(chunks(context.stream), root)
        elif isinstance(context, RemoteContext):
            lone, root = _fetch(context.url, root, workdir, cancelled, agents)
        else:
            assert isinstance(context, EmptyContext)
            lone = None
        text = lone if text is None else text
    with open_directory(root, "build context") as tree:
        outside = isinstance(context, DirectoryContext) and (
            os.path.isabs(dockerfile) or os.path.normpath(dockerfile).startswith("../")
        )
        if text is None:
            text = _read_outside(root / dockerfile) if outside else _read_dockerfile(tree, dockerfile)
        patterns = _ignore_patterns(tree, None if outside or inline is not None else dockerfile)
        yield OpenContext(
            Tree(tree.fd, tree.name, patterns, own=True), root, text, os.path.basename(dockerfile) or "Dockerfile"
        )


@contextmanager
def open_directory(path: Path, name: str, *, own: bool = False) -> Iterator[Tree]:
    """A directory of the host as a tree, with its own .dockerignore when ``own`` (a named context)."""
    try:
        fd = entries.open_root(path)
    except FileNotFoundError:
        raise NotFound(f"unable to prepare context: path {str(path)!r} not found") from None
    except OSError as error:
        raise Unprocessable(f"unable to prepare context: {path}: {error.strerror}") from None
    try:
        tree = Tree(fd, name)
        yield Tree(fd, name, _ignore_patterns(tree, None), own=True) if own else tree
    finally:
        os.close(fd)


def received_definition(source: FileSource, dockerfile: str, root: Path) -> tuple[bytes, bytes | None]:
    """A client's Dockerfile and its own ignore file, by way of ``root``, a directory that is not there yet."""
    root.mkdir()
    names = [dockerfile, f"{dockerfile}.dockerignore"]
    if os.path.basename(dockerfile) == "Dockerfile":
        names.append(dockerfile.removesuffix("Dockerfile") + "dockerfile")
    source.receive(root, paths=names)
    with open_directory(root, "Dockerfile's directory") as tree:
        return _read_dockerfile(tree, dockerfile), read_file(tree, names[1], bounds.DOCKERFILE)


def _fetch(
    url: str, root: Path, workdir: Path, cancelled: Callable[[], bool], agents: Mapping[str, Path]
) -> tuple[bytes | None, Path]:
    git = remote.parse_git(url, context=True)
    if git is not None:
        remote.clone(git, root, cancelled, keep_git_dir=bool(git.keep_git_dir), own=True, agents=agents)
        if not git.directory:
            return None, root
        with open_directory(root, "repository") as tree:
            inner = tree.canonical(git.directory)
            if inner is None:
                raise Unprocessable(f"{url}: the repository has no directory {git.directory!r}")
        return None, root / inner
    if not url.startswith(("http://", "https://")):
        raise InvalidParameter(f"unable to prepare context: {url!r} is neither a git repository nor a URL")
    got = remote.download(url, workdir, cancelled)
    with got.path.open("rb") as stream:
        lone = fill_from_archive(chunks(stream), root)
    got.path.unlink()
    return lone, root


def fill_from_archive(source: Iterable[bytes], root: Path) -> bytes | None:
    """Unpack a tar of any compression into ``root``; what is no tar is returned: it is a lone Dockerfile."""
    stream = iter(decompress(source))
    head = b""
    while len(head) < _TAR_BLOCK and (piece := next(stream, b"")):
        head += piece
    if not looks_like_tar(head):
        for piece in stream:
            head += piece
            if len(head) > bounds.DOCKERFILE:
                raise Unprocessable("build context is neither a tar archive nor a Dockerfile")
        return head
    unpack(_joined(head, stream), root, layer=False)
    return None


def _joined(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def looks_like_tar(head: bytes) -> bool:
    """Whether a stream that begins so is a tar: by the checksum of its first header (old tars have no magic)."""
    if len(head) < _TAR_BLOCK:
        return False
    block = head[:_TAR_BLOCK]
    if not any(block):
        return True
    field = block[148:156].strip(b" \0")
    if not field or field.strip(b"01234567"):
        return False
    return sum(block) - sum(block[148:156]) + 8 * 32 == int(field, 8)


def _read_dockerfile(tree: Tree, name: str) -> bytes:
    content = read_file(tree, name, bounds.DOCKERFILE)
    if content is None and os.path.basename(name) == "Dockerfile":
        content = read_file(tree, name.removesuffix("Dockerfile") + "dockerfile", bounds.DOCKERFILE)
    if content is None:
        raise Unprocessable(f"failed to read dockerfile: open {name}: no such file or directory")
    return content


def _read_outside(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bounds.DOCKERFILE + 1)
    except OSError as error:
        raise Unprocessable(f"failed to read dockerfile: open {path}: {(error.strerror or '').lower()}") from None
    if len(content) > bounds.DOCKERFILE:
        raise Unprocessable(f"failed to read dockerfile: {path} is larger than {bounds.DOCKERFILE} bytes")
    return content


def read_file(tree: Tree, path: str, largest: int) -> bytes | None:
    """The content of a regular file below the root (links followed there); None when there is none."""
    try:
        real = tree.canonical(path)
        if real is None:
            return None
        fd = tree.open_kind(real, stat.S_IFREG)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    if fd is None:
        return None
    with os.fdopen(fd, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise Unprocessable(f"{path} is larger than {largest} bytes")
    return content


def _ignore_patterns(tree: Tree, dockerfile: str | None) -> Ignore | None:
    """``<Dockerfile>.dockerignore`` beside the Dockerfile wins over ``.dockerignore`` at the root."""
    content: bytes | None = None
    name = ".dockerignore"
    if dockerfile is not None:
        name = f"{dockerfile}.dockerignore"
        content = read_file(tree, name, bounds.DOCKERFILE)
    if content is None:
        name = ".dockerignore"
        content = read_file(tree, name, bounds.DOCKERFILE)
    if content is None:
        return None
    try:
        ignore = Ignore(read_patterns(content.decode("utf-8", "surrogateescape")))
    except PatternError as error:
        raise Unprocessable(f"failed to read {name}: {error}") from None
    return ignore or None
