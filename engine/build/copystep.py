"""COPY and ADD: find the sources, tell them by a digest, and put them into a root.

First ``prepare`` (which may fetch URLs and repositories, and gives the cache key its part), then, when the cache has
nothing, ``place``.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...grammar.ignore import PatternError
from ..errors import InvalidParameter, Unprocessable
from ..images.compression import chunks, decompress
from ..images.unpack import unpack
from ..linux import entries
from ..shapes import members, text
from .cache import key_of
from .contexts import looks_like_tar
from .copying import Destination, Ownership
from .dockerfile import values
from .remote import clone, download, download_changed, is_http, parse_git, url_name
from .trees import Entry, Selection, Tree, digest, opened, select, select_parents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .dockerfile.instructions import Copy
    from .plan import Source
    from .remote import Download
    from .session import Session

_SEVERAL = "When using {} with more than one source file, the destination must be a directory and end with a /"


@dataclass(frozen=True, slots=True)
class _Piece:
    """One thing to place: a source to be selected from an origin, something fetched (or to be fetched from ``url``, and then to have
    this ``sha256``), or a document's text."""

    digest: str
    pattern: str = ""
    fetched: Selection | None = None
    unpack: bool = False
    name: str = ""
    text: bytes | None = None
    url: str = ""
    sha256: str = ""


class CopyStep:
    """One COPY or ADD with all variables expanded. ``target`` is absolute; ``source`` None is the build context."""

    def __init__(self, session: Session, instruction: Copy, target: str, source: Source | None) -> None:
        self._session, self._copy, self._target, self._source = session, instruction, target, source
        self._keyword = "ADD" if instruction.add else "COPY"
        self._chmod = None
        self._pieces: list[_Piece] = []
        self._fetched = ExitStack()
        if instruction.chmod:
            try:
                self._chmod = values.chmod(instruction.chmod)
            except ValueError as error:
                raise InvalidParameter(str(error)) from None

    def __enter__(self) -> CopyStep:
        return self

    def __exit__(self, *_: object) -> None:
        self._fetched.close()

    # what --------------------------------------------------------------------------------------------------------
    def prepare(self) -> list[str]:
        """Digests of all that is to be copied, in order."""
        copy = self._copy
        self._check_checksum()
        if len(copy.sources) + len(copy.documents) > 1 and not self._target.endswith("/"):
            raise InvalidParameter(_SEVERAL.format(self._keyword))
        local: list[str] = []
        for source in copy.sources:
            git = parse_git(source)
            if git is not None or is_http(source):
                if not copy.add:
                    kind = "git ref" if git is not None else "URL"
                    raise InvalidParameter(f"source can't be a {kind} for COPY")
                self._pieces.append(self._git(source) if git is not None else self._http(source))
            else:
                local.append(source)
                self._pieces.append(_Piece("", pattern=source, unpack=self._unpacks(default=copy.add)))
        if local:
            digests = iter(self._local_digests(local))
            self._pieces = [replace(piece, digest=next(digests)) if piece.pattern else piece for piece in self._pieces]
        for document in copy.documents:
            text = document.content.encode("utf-8", "surrogateescape")
            self._pieces.append(_Piece(key_of("text", document.name, document.content), name=document.name, text=text))
        return [piece.digest for piece in self._pieces]

    def _unpacks(self, *, default: bool) -> bool:
        return default if self._copy.unpack is None else self._copy.unpack

    def _check_checksum(self) -> None:
        copy = self._copy
        if not copy.checksum:
            return
        if len(copy.sources) != 1:
            raise InvalidParameter("checksum can't be specified for multiple sources")
        if not is_http(copy.sources[0]) and parse_git(copy.sources[0]) is None:
            raise InvalidParameter("checksum requires HTTP(S) or Git sources")

    def _local_digests(self, patterns: Sequence[str]) -> list[str]:
        """For an immutable origin remembered by its identity, so that an unchanged stage is not even mounted."""
        identity = self._session.identity(self._source)
        if identity is None:
            return self._compute(patterns)
        key = key_of("copy-from", identity, patterns, self._copy.exclude, self._copy.parents)
        found: list[str] = self._session.cache.memo(key, lambda: self._compute(patterns))
        return found

    def _compute(self, patterns: Sequence[str]) -> list[str]:
        with self._session.origin(self._source) as origin:
            return [
                key_of(*(digest(selection, self._session.files) for selection in self._select(origin.tree, pattern)))
                for pattern in patterns
            ]

    def _select(self, tree: Tree, pattern: str) -> list[Selection]:
        choose = select_parents if self._copy.parents else select
        try:
            return choose(tree, pattern, self._copy.exclude)
        except PatternError as error:
            raise InvalidParameter(f"{self._keyword} {pattern}: {error}") from None

    def _http(self, url: str) -> _Piece:
        wanted = self._copy.checksum
        if wanted and not wanted.startswith("sha256:"):
            raise InvalidParameter(f"unsupported digest algorithm in checksum {wanted!r}: use sha256:…")
        name, sha256 = url_name(url), wanted.lower().removeprefix("sha256:")
        fetched = None
        if not sha256:
            sha256, fetched = self._current(url)
        piece = _Piece(key_of("http", name, sha256), fetched=fetched, unpack=self._unpacks(default=False))
        return piece if fetched is not None else replace(piece, url=url, sha256=sha256)

    def _current(self, url: str) -> tuple[str, Selection | None]:
        """The digest of what a URL has now, and the content when it had to be fetched: not when the server says that nothing
        has changed."""
        session = self._session
        key = key_of("http-validators", url)
        known = members(session.cache.recall(key))
        got = download_changed(
            url, session.workdir, session.cancelled, text(known.get("etag")), text(known.get("modified"))
        )
        if got is None:
            return str(known["sha256"]), None
        if got.etag or got.modified:
            session.cache.remember(key, {"sha256": got.sha256, "etag": got.etag, "modified": got.modified})
        return got.sha256, self._downloaded(url, got)

    def _fetch(self, url: str, sha256: str) -> Selection:
        """What a URL has, which must be what its digest promises."""
        got = download(url, self._session.workdir, self._session.cancelled)
        if got.sha256 != sha256:
            raise Unprocessable(f"digest mismatch sha256:{got.sha256}: sha256:{sha256}")
        return self._downloaded(url, got)

    def _downloaded(self, url: str, got: Download) -> Selection:
        tree = self._own_tree(got.path.parent, url)
        fd = entries.open_regular(tree.fd, got.path.name)
        assert fd is not None  # the engine has just written it
        try:
            os.fchmod(fd, 0o600)
            entries.set_times(fd, got.mtime)
            entry = Entry("", got.path.name, os.fstat(fd))
        finally:
            os.close(fd)
        return Selection(got.name, tree, (entry,))

    def _git(self, url: str) -> _Piece:
        git = parse_git(url)
        assert git is not None
        copy = self._copy
        keep = copy.keep_git_dir if git.keep_git_dir is None else git.keep_git_dir
        if copy.keep_git_dir is not None and keep != copy.keep_git_dir:
            raise InvalidParameter("inconsistent keep-git-dir configuration")
        if copy.checksum and git.commit and copy.checksum != git.commit:
            raise InvalidParameter(f'checksum mismatch "{copy.checksum}" != "{git.commit}"')
        git = git._replace(commit=git.commit or copy.checksum)
        directory = self._session.scratch_directory("git")
        clone(git, directory, self._session.cancelled, keep_git_dir=bool(keep), agents=self._session.options.ssh)
        tree = self._own_tree(directory, url)
        (selection,) = select(tree, git.directory or "/", copy.exclude)
        return _Piece(key_of("git", digest(selection, self._session.files)), fetched=selection)

    def _own_tree(self, directory: Path, name: str) -> Tree:
        fd = entries.open_root(directory)
        self._fetched.callback(os.close, fd)
        return Tree(fd, name, own=True)

    # where -------------------------------------------------------------------------------------------------------
    def place(self, root: Path, owner: tuple[int, int] | None) -> None:
        """Write everything below ``root``, a merged view (or, for --link, an empty directory)."""
        fd = entries.open_root(root)
        with ExitStack() as stack:
            stack.callback(os.close, fd)
            destination = Destination(fd, Ownership(owner, self._chmod), self._session.cancelled)
            origin = None
            for piece in self._pieces:
                if piece.text is not None:
                    # Made now, as a RUN's files are: archives such as zip know no time before 1980.
                    destination.write(piece.name, piece.text, self._target, mode=0o644, mtime=time.time_ns())
                elif piece.url:
                    self._put(destination, self._fetch(piece.url, piece.sha256), piece.unpack)
                elif piece.fetched is not None:
                    self._put(destination, piece.fetched, piece.unpack)
                else:
                    if origin is None:
                        origin = stack.enter_context(self._session.origin(self._source))
                    selections = self._select(origin.tree, piece.pattern)
                    several = len(selections) > 1 and not self._target.endswith("/")
                    if several and not destination.is_directory(self._target):
                        raise InvalidParameter(_SEVERAL.format(self._keyword))
                    for selection in selections:
                        self._put(destination, selection, piece.unpack)

    def _put(self, destination: Destination, selection: Selection, may_unpack: bool) -> None:
        if may_unpack and selection.entries and not selection.is_directory and _is_archive(selection):
            self._extract(destination, selection)
        else:
            destination.place(selection, self._target, merge=self._copy.parents)

    def _extract(self, destination: Destination, selection: Selection) -> None:
        """A local tar given to ADD becomes its contents; owners are the archive's unless --chown says otherwise."""
        ownership = destination.ownership
        if ownership.owner is None and ownership.chmod is None:
            real = destination.make_directories(self._target, mtime=selection.entries[0].status.st_mtime_ns)
            inner = destination.root.open(real)
        else:
            inner = entries.open_root(self._session.scratch_directory("extract"))
        try:
            with opened(selection.tree, selection.entries[0]) as fd, os.fdopen(os.dup(fd), "rb") as stream:
                unpack(decompress(chunks(stream)), inner, layer=False)
            if ownership.owner is not None or ownership.chmod is not None:
                (extracted,) = select(Tree(inner, selection.name), "/")
                destination.place(extracted, self._target)
        finally:
            os.close(inner)


def _is_archive(selection: Selection) -> bool:
    entry = selection.entries[0]
    if not stat.S_ISREG(entry.status.st_mode):
        return False
    with opened(selection.tree, entry) as fd, os.fdopen(os.dup(fd), "rb") as stream:
        head = b""
        # What claims to be compressed and is not is an ordinary file.
        with suppress(InvalidParameter):
            for piece in decompress(chunks(stream, 1 << 16)):
                head += piece
                if len(head) >= 512:
                    break
    return looks_like_tar(head)
