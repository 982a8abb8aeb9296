"""Git repositories, by the user's own ``git`` with the user's own credentials, but without hooks, prompts, submodules and
transports that run programs or cannot be trusted."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ...grammar.git import split_fragment
from ..errors import OperationError
from .checked import made_whole, version_directory, within

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SAFE_REF = re.compile(r"[\w./@+-]*", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 600.0
SWITCH = "COMPOSE_EXPERIMENTAL_GIT_REMOTE"


class GitSource(NamedTuple):
    """``ref`` and ``directory`` may be empty: the default branch, the top."""

    remote: str
    ref: str
    directory: str

    @property
    def name(self) -> str:
        """The repository's own name."""
        return re.split(r"[/:]", self.remote.rstrip("/").removesuffix(".git"))[-1] or "repository"


def parse(text: str) -> GitSource:
    """``REMOTE[#REF[:DIRECTORY]]``. Raises `OperationError` for what is not safe to ask for."""
    remote, _, fragment = text.partition("#")
    ref, directory = split_fragment(fragment)
    if ref.startswith("-") or ".." in ref or not _SAFE_REF.fullmatch(ref):
        raise OperationError(f"{text}: {ref!r} is no git ref")
    if "://" in remote:
        parts = urlsplit(remote)
        if (parts.hostname or "").startswith("-") or remote.startswith("-"):
            raise OperationError(f"{text}: not a host")
        if parts.scheme == "git" or (parts.scheme == "http" and parts.hostname not in _LOOPBACK):
            raise OperationError(f"{text}: {parts.scheme} is neither encrypted nor authenticated; use https or ssh")
    elif remote.startswith("-") or remote.partition("@")[2].startswith("-"):
        raise OperationError(f"{text}: not a host")
    return GitSource(remote, ref, directory)


def fetch_repository(text: str, environment: Mapping[str, str]) -> str:
    """The Compose file in the repository: the file that the fragment names, or the default one in its directory."""
    if environment.get(SWITCH, "").lower() in ("0", "f", "false"):
        raise OperationError(f"{text}: git resources are disabled by {SWITCH}")
    source = parse(text)
    commit = _resolve(source, environment)
    version = version_directory(environment, "git", source.remote, commit)
    if not os.path.isdir(version):
        with made_whole(version) as temporary:
            checkout = os.path.join(temporary, source.name)
            os.mkdir(checkout)
            _check_out(source, commit, checkout, environment)
    root = os.path.join(version, source.name)
    found = within(root, source.directory, text)
    if os.path.isdir(found):
        names = [name for name in _DEFAULT_NAMES if os.path.isfile(os.path.join(found, name))]
        if not names:
            raise OperationError(f"{text}: no {', '.join(_DEFAULT_NAMES)} there")
        found = within(root, os.path.relpath(os.path.join(found, names[0]), os.path.realpath(root)), text)
    if not os.path.isfile(found):
        raise OperationError(f"{text}: no such file in commit {commit[:12]}")
    return os.path.join(root, os.path.relpath(found, os.path.realpath(root)))


def _resolve(source: GitSource, environment: Mapping[str, str]) -> str:
    if _COMMIT.fullmatch(source.ref):
        return source.ref
    ref = source.ref or "HEAD"
    listed = _git(environment, "ls-remote", "--exit-code", "--", source.remote, ref, f"{ref}^{{}}", source=source)
    rows = [line.split("\t", 1) for line in listed.splitlines() if "\t" in line]
    found = {name: commit for commit, name in rows}
    # A tag that is an object of its own is listed twice; the commit is under its peeled name.
    wanted = (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", ref)
    commit = next((found[name] for name in wanted if name in found), next(iter(found.values()), ""))
    if not _COMMIT.fullmatch(commit):
        raise OperationError(f"{source.remote}: git ls-remote named no commit for {ref}")
    return commit


def _check_out(source: GitSource, commit: str, directory: str, environment: Mapping[str, str]) -> None:
    _git(environment, "init", "--quiet", "--template=", directory, source=source)
    at = ("-C", directory)
    try:
        _git(environment, *at, "fetch", "--quiet", "--depth=1", "--no-tags", "--", source.remote, commit, source=source)
    except OperationError:
        # Not every server gives a commit that no branch or tag points at: then everything is fetched.
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        _git(environment, *at, "fetch", "--quiet", "--", source.remote, *refs, source=source)
    _git(environment, *at, "checkout", "--quiet", "--detach", commit, "--", source=source)


def _git(environment: Mapping[str, str], *words: str, source: GitSource) -> str:
    settings = (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "submodule.recurse=false",
        "advice.detachedHead=false",
    )
    command = ["git", *(part for setting in settings for part in ("-c", setting)), *words]
    own = {
        key: value
        for key, value in environment.items()
        if not key.startswith(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX"))
    }
    own |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:ssh:file:http", "LC_ALL": "C"}
    if "GIT_SSH" not in own:
        own.setdefault("GIT_SSH_COMMAND", "ssh -o ControlMaster=no -o BatchMode=yes")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=own, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError:
        raise OperationError(f"{source.remote}: git is not installed") from None
    except subprocess.TimeoutExpired:
        raise OperationError(f"{source.remote}: git did not end within {_PATIENCE:.0f} s") from None
    if done.returncode != 0:
        if "ls-remote" in words and done.returncode == 2:
            raise OperationError(f"{source.remote} has no ref {source.ref or 'HEAD'}")
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        fatal = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
        raise OperationError(f"{source.remote}: {fatal or f'git ended with {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
