"""Directories of the cache: made complete under another name first, so that what is there is whole; and paths within them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from ..errors import OperationError
from .place import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def version_directory(environment: Mapping[str, str], kind: str, source: str, version: str) -> str:
    """The directory of one version (a commit, a digest) of ``source``."""
    key = hashlib.sha256(source.encode()).hexdigest()[:16]
    return os.path.join(cache_directory(environment), kind, key, version)


@contextlib.contextmanager
def made_whole(directory: str) -> Iterator[str]:
    """A fresh directory that becomes ``directory`` when the block ends well, and goes when it does not."""
    parent = os.path.dirname(directory)
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        if os.stat(parent).st_uid != os.geteuid():
            raise OperationError(f"{parent} belongs to somebody else")
        temporary = tempfile.mkdtemp(dir=parent)
    except OSError as error:
        raise OperationError(f"{parent}: {error.strerror}") from error
    try:
        yield temporary
        try:
            os.rename(temporary, directory)
        except OSError:
            if not os.path.isdir(directory):  # otherwise another command was quicker
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def within(root: str, path: str, what: str) -> str:
    """``path`` below ``root``, links followed. Raises `OperationError` when it leads outside or into ``.git``."""
    real = os.path.realpath(os.path.join(root, path))
    base = os.path.realpath(root)
    inner = real.removeprefix(f"{base}/") if real != base else ""
    if (real != base and not real.startswith(f"{base}/")) or inner.split("/")[0] == ".git" or path.startswith("/"):
        raise OperationError(f"{what}: {path!r} leads outside of it")
    return real
