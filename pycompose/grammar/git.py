"""Git repositories as build contexts, ADD and Compose files name them: ``https://host/app.git?ref=v1#v1:directory``."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from . import booleans

_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)(.+)\Z", re.ASCII)
PROTOCOLS = ("http", "https", "git", "ssh")
_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")


class GitSource(NamedTuple):
    """A repository, a ref ("" for its HEAD), a directory in it, a commit to insist on; None: the instruction decides."""

    remote: str
    ref: str = ""
    directory: str = ""
    commit: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True

    @property
    def over_ssh(self) -> bool:
        return self.remote.startswith("ssh://") or "://" not in self.remote


def is_remote(context: str) -> bool:
    """Whether a build's context is fetched by the builder rather than read from this machine."""
    return context.startswith(_REMOTE)


def parse(source: str, *, context: bool = False) -> GitSource | None:
    """The repository that a source names, or None when it names something else; raises ValueError.

    HTTP URLs are git only when the path ends in ``.git``. A bare ``github.com/…`` is git only for a ``context``: in ADD it
    would be a path.
    """
    if source.startswith(("./", "../", "/")):
        return None
    if source.startswith("github.com/"):
        if not context:
            return None
        source = "https://" + source
        implied = True
    else:
        implied = False
    scheme, found, _ = source.partition("://")
    if found:
        if scheme not in PROTOCOLS:
            return None
        parts = urlsplit(source)
        if scheme in ("http", "https") and not implied and not parts.path.endswith(".git"):
            return None
        remote = f"{scheme}://{parts.netloc}{parts.path}"
        query, fragment = parts.query, parts.fragment
    else:
        if not (source.startswith("git@") and _SCP.match(source)):
            return None
        remote, _, fragment = source.partition("#")
        query = ""
    return _with_query(GitSource(remote, *split_fragment(fragment)), query)


def split_fragment(fragment: str) -> tuple[str, str]:
    """(ref, directory) of what follows ``#``; each may be empty, and each may be quoted with percent signs."""
    ref, _, directory = fragment.partition(":")
    return unquote(ref), unquote(directory)


def _with_query(git: GitSource, query: str) -> GitSource:
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in values:
            raise ValueError(f'query "{key}" has multiple values')
        values[key] = value
    ref, directory = values.pop("ref", git.ref), values.pop("subdir", git.directory)
    if (git.ref and ref != git.ref) or (git.directory and directory != git.directory):
        raise ValueError(f'git source: "{git.remote}": fragment and query contradict each other')
    for key, prefix in (("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if key in values:
            if ref:
                raise ValueError(f'git source: ref conflicts: "{ref}" vs "{values[key]}"')
            ref = prefix + values.pop(key).removeprefix(prefix)
    commit = values.pop("checksum", "") or values.pop("commit", "")
    try:
        keep = booleans.parse(values.pop("keep-git-dir") or "true") if "keep-git-dir" in values else None
        submodules = booleans.parse(values.pop("submodules") or "true") if "submodules" in values else True
    except ValueError as error:
        raise ValueError(f"git source: {error}") from None
    if values:
        raise ValueError(f'unexpected query "{next(iter(values))}"')
    return GitSource(git.remote, ref, directory, commit, keep, submodules)
