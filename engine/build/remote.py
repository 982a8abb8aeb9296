"""Files from elsewhere: URLs over HTTP(S), and git repositories, for ADD and for build contexts.

Git is the host's ``git`` program, run without any configuration, hooks or prompts; without it a git source is refused
with words. Python starts it by vfork, so the engine's memory is not copied. Nothing here is cached.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from ...grammar import git
from ..errors import InvalidParameter, Unavailable, Unprocessable
from ..images.space import Space
from ..linux.tree import remove_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from urllib3.response import BaseHTTPResponse

    from ...grammar.git import GitSource
    from ..images.transport import Transport

_CHUNK = 1 << 20
_LARGEST = 1 << 36
_REDIRECTS = 10
_MOVED = (301, 302, 303, 307, 308)
_SHA = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Download:
    """``name`` is what the URL calls the file; ``mtime`` (ns) is the server's Last-Modified, else 0. ``etag`` and ``modified`` are the
    headers by which the server can tell later that nothing changed, "" without."""

    path: Path
    name: str
    sha256: str
    mtime: int
    etag: str = ""
    modified: str = ""


def is_http(source: str) -> bool:
    return source.startswith(("http://", "https://")) and parse_git(source) is None


def is_remote(source: str) -> bool:
    """Whether a source of ADD is fetched rather than read from the context."""
    try:
        return is_http(source) or parse_git(source) is not None
    except InvalidParameter:
        return True


def parse_git(source: str, *, context: bool = False) -> GitSource | None:
    """As `git.parse`; raises InvalidParameter."""
    try:
        return git.parse(source, context=context)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def url_name(url: str) -> str:
    """What a URL calls its file."""
    return os.path.basename(unquote(urlsplit(url).path)) or "__unnamed__"


def download(url: str, directory: Path, cancelled: Callable[[], bool]) -> Download:
    """Fetch a URL into a new file of ``directory``; follows redirects; raises Unavailable."""
    found = download_changed(url, directory, cancelled, "", "")
    assert found is not None
    return found


def download_changed(
    url: str, directory: Path, cancelled: Callable[[], bool], etag: str, modified: str
) -> Download | None:
    """The same, but None when the server says that it is what ``etag`` and ``modified`` came with (RFC 9110, section 13)."""
    import urllib3  # here: it takes 80 ms, and most builds fetch nothing

    from ..images.transport import Transport

    name = url_name(url)
    conditions = {"If-None-Match": etag, "If-Modified-Since": modified}
    headers = {key: value for key, value in conditions.items() if value}
    path = directory / f"download-{os.urandom(6).hex()}"
    digest = hashlib.sha256()
    size = 0
    transport = Transport(connections=1)
    try:
        with _answer(transport, url, headers) as response, path.open("xb") as file:
            if response.status == 304 and headers:
                path.unlink()
                return None
            if response.status != 200:
                raise Unavailable(
                    f"failed to fetch {url}: server answered {response.status} {response.reason or ''}".rstrip()
                )
            space = Space(file.fileno())
            for piece in response.stream(_CHUNK, decode_content=True):
                if cancelled():
                    raise Unprocessable("context canceled")
                space.take(name, len(piece))
                size += len(piece)
                if size > _LARGEST:
                    raise Unprocessable(f"failed to fetch {url}: more than {_LARGEST} bytes")
                digest.update(piece)
                file.write(piece)
            now_etag, now_modified = (response.headers.get(key) or "" for key in ("ETag", "Last-Modified"))
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"failed to fetch {url}: {error}") from None
    finally:
        transport.close()
    return Download(path, name, digest.hexdigest(), _time(now_modified), now_etag, now_modified)


def _answer(transport: Transport, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
    """The answer, after redirects: by the proxies of the engine's environment, as for registries. Raises Unavailable."""
    from ..images.transport import joined

    at = url
    for _ in range(_REDIRECTS):
        response = transport.request("GET", at, headers=headers)
        location = response.headers.get("Location")
        if response.status not in _MOVED or not location:
            return response
        response.drain_conn()
        response.release_conn()
        at = joined(at, location)
    raise Unavailable(f"failed to fetch {url}: stopped after {_REDIRECTS} redirects")


def _time(header: str | None) -> int:
    try:
        return int(parsedate_to_datetime(header).timestamp()) * 10**9 if header else 0
    except ValueError:
        return 0


class Identity(NamedTuple):
    """As whom git speaks over ssh: with the keys of an ``agent`` (the path of its socket), and with ``files`` those in the home of the
    engine's user."""

    agent: str = ""
    files: bool = False

    @staticmethod
    def own() -> Identity:
        """The engine's user."""
        return Identity(os.environ.get("SSH_AUTH_SOCK", ""), files=True)

    @staticmethod
    def lent(agents: Mapping[str, Path]) -> Identity:
        """What a client has lent to the build."""
        agent = agents.get("default")
        return NOBODY if agent is None else Identity(str(agent))

    def command(self) -> str:
        """What git is to run for ssh; nobody gets the reason instead."""
        if self == NOBODY:
            return f"echo '{_NO_AGENT}' >&2; false"
        return f"ssh -F none -o BatchMode=yes{'' if self.files else ' -o IdentityFile=none'}"


NOBODY = Identity()
_NO_AGENT = "over ssh it takes an agent that the client lends (--ssh default, build.ssh)"


def clone(
    source: GitSource,
    directory: Path,
    cancelled: Callable[[], bool],
    *,
    keep_git_dir: bool = False,
    own: bool = False,
    agents: Mapping[str, Path] = MappingProxyType({}),
) -> str:
    """Check a repository out into the empty ``directory``; returns the commit; raises Unavailable, Unprocessable.

    Over ssh with the keys of the ``agents`` that the client lends. Those of the engine's own user are for the very repository
    that a client names (``own``): not for one that a Dockerfile names, and not for submodules, which whoever writes to the
    repository names.
    """
    program = shutil.which("git")
    if program is None:
        raise Unprocessable(f"{source.remote}: git sources need the git program on the engine's host (install git)")
    if source.remote.startswith("-") or source.ref.startswith("-"):
        raise InvalidParameter(f"git source: {source.remote}: not a repository")
    identity = NOBODY
    if source.over_ssh:
        identity = Identity.own() if own else Identity.lent(agents)
        if identity == NOBODY:
            raise Unprocessable(f"{source.remote}: {_NO_AGENT}")
    git = _Git(program, directory, cancelled, identity)
    git.run("init", "--quiet")
    git.run("remote", "add", "origin", source.remote)
    wanted = source.ref or source.commit or "HEAD"
    if _SHA.fullmatch(wanted) and len(wanted) < 40:
        # An abbreviated commit cannot be asked for by name.
        git.run("fetch", "--quiet", "--tags", "origin")
        git.run("checkout", "--quiet", "--detach", wanted)
    else:
        try:
            git.run("fetch", "--quiet", "--depth", "1", "--no-tags", "origin", "--", wanted)
        except Unavailable as error:
            # A plain web server ("dumb" HTTP) can only give whole histories.
            if "does not support shallow" not in str(error):
                raise
            git.run("fetch", "--quiet", "--no-tags", "origin", "--", wanted)
        git.run("checkout", "--quiet", "--detach", "FETCH_HEAD")
    commit = git.run("rev-parse", "HEAD").strip()
    if source.commit and not commit.startswith(source.commit):
        raise Unprocessable(f"expected checksum to match {source.commit}, got {commit}")
    if source.submodules and (directory / ".gitmodules").is_file():
        below = _Git(program, directory, cancelled, Identity.lent(agents))
        below.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1")
    if not keep_git_dir:
        remove_directory(directory / ".git")
    return commit


class _Git:
    """Runs git in one directory with nothing of the host's or a user's configuration."""

    _SAFE = (
        *("-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "credential.helper="),
        *(part for name in git.PROTOCOLS for part in ("-c", f"protocol.{name}.allow=always")),
        *("-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"),
    )

    def __init__(self, program: str, directory: Path, cancelled: Callable[[], bool], identity: Identity) -> None:
        self._program, self._directory, self._cancelled = program, directory, cancelled
        kept = (
            "PATH",
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
        )
        self._env: Mapping[str, str] = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": os.fspath(directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": identity.command(),
            "GIT_SSH_VARIANT": "ssh",  # git would ask a command that it does not know what it is
            "LC_ALL": "C",
            **({"SSH_AUTH_SOCK": identity.agent} if identity.agent else {}),
        }

    def run(self, *arguments: str) -> str:
        process = subprocess.Popen(
            [self._program, *self._SAFE, *arguments],
            cwd=self._directory,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            deadline = time.monotonic() + 600
            while True:
                try:
                    output, errors = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if self._cancelled() or time.monotonic() > deadline:
                        process.kill()
        if process.returncode:
            text = errors.decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise Unavailable(f"git {arguments[0]}: {text[-2000:]}")
        return output.decode(errors="replace")
