"""Building a base tree: verify the archive, choose the packages, fetch and unpack them, configure them in a container.

    releases ─► indexes ─► package set ─► .debs (8 at a time) ─► tree ─► dpkg --configure -a in a container

Unpacking is done here, once; dpkg only runs the packages' scripts. The links of the merged /usr come first.
"""

from __future__ import annotations

import os
import shlex
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...errors import EngineError, NotFound
from ..unpack import unpack
from . import configuration, deb
from .database import Database
from .packages import Index, Package, minimal
from .suites import package_architecture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..bodies import ProgressMessage
    from ..tarstream import Entry
    from ..types import RootRunner
    from .archive import Archive, Release
    from .suites import Distribution

    Progress = Callable[[ProgressMessage], None]

_CONNECTIONS = 8
_MERGED = {"amd64": ("bin", "sbin", "lib", "lib64"), "ppc64el": ("bin", "sbin", "lib", "lib64")}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {
    "PATH": _PATH,
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
}
_EARLY = ("base-passwd", "base-files")


@dataclass(frozen=True, slots=True)
class Base:
    """What was built, for the image's labels."""

    packages: tuple[Package, ...]
    releases: tuple[Release, ...]


class Places(NamedTuple):
    """Empty directories beside each other: ``tree`` is filled, ``work`` is overlay's, ``empty`` remains so."""

    tree: Path
    work: Path
    empty: Path


def build(
    distribution: Distribution,
    architecture: str,
    archive: Archive,
    places: Places,
    runner: RootRunner,
    progress: Progress,
) -> Base:
    """Fill the empty directory ``places.tree``."""
    tree = places.tree
    dpkg_architecture = package_architecture(architecture)
    progress({"status": f"Verifying {distribution.suite}", "id": distribution.suite})
    with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="bootstrap") as pool:
        releases = _releases(distribution, archive, pool)
        index = Index()
        component = distribution.components[0]
        texts = [pool.submit(archive.index, release, component, dpkg_architecture) for release in releases]
        for release, text in zip(releases, texts, strict=True):
            index.add(text.result(), release.source.mirror)
        packages = _packages(index, distribution)
        database = Database(tree)
        _merge_usr(tree, dpkg_architecture)
        database.prepare()
        _unpack(packages, archive, tree, database, configuration.excluded(distribution.slim), pool, progress)
    database.write()
    keyring = _keyring(tree, distribution.keyring)
    configuration.write(tree, distribution, [release.source for release in releases], keyring)
    _configure(database, places, runner, len(packages), progress)
    configuration.clean(tree)
    return Base(tuple(packages), tuple(releases))


def _releases(distribution: Distribution, archive: Archive, pool: ThreadPoolExecutor) -> list[Release]:
    releases = []
    for source, future in [(source, pool.submit(archive.release, source)) for source in distribution.sources]:
        try:
            releases.append(future.result())
        except NotFound:
            if not source.optional:
                raise
    return releases


def _packages(index: Index, distribution: Distribution) -> list[Package]:
    keyring = "ubuntu-keyring" if distribution.name == "ubuntu" else distribution.keyring
    names = ["apt", keyring]
    found = minimal(index, names)
    if index.get("usr-is-merged") is not None and any(package.name == "usrmerge" for package in found):
        # As debootstrap does: the package that says "already merged" instead of the one that would merge, and that brings perl.
        found = minimal(index, ["usr-is-merged", *names])
    return found


def _merge_usr(tree: Path, architecture: str) -> None:
    (tree / "usr").mkdir(mode=0o755)
    for name in _MERGED.get(architecture, ("bin", "sbin", "lib")):
        (tree / "usr" / name).mkdir(mode=0o755)
        (tree / name).symlink_to(f"usr/{name}")


def _unpack(
    packages: Sequence[Package],
    archive: Archive,
    tree: Path,
    database: Database,
    excluded: Callable[[str], bool],
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> None:
    """Fetch and decompress ahead on threads, write in order here."""
    total = sum(package.size for package in packages)
    fetched = 0

    def report(done: int) -> None:
        nonlocal fetched
        fetched += done
        progress({"status": "Downloading", "id": "packages", "progressDetail": {"current": fetched, "total": total}})

    def fetch(package: Package) -> tuple[dict[str, bytes], list[bytes]]:
        path = archive.file([f"{package.mirror}/{package.filename}"], package.sha256, package.size, report)
        return deb.control(path), list(deb.data(path))

    waiting: deque[Future[tuple[dict[str, bytes], list[bytes]]]] = deque()
    rest = iter(packages)
    while True:
        while len(waiting) < _CONNECTIONS and (package := next(rest, None)) is not None:
            waiting.append(pool.submit(fetch, package))
        if not waiting:
            break
        control, data = waiting.popleft().result()
        names: list[bytes] = []

        def accept(entry: Entry, names: list[bytes] = names) -> bool:
            names.append(entry.name)
            return not excluded(os.fsdecode(b"/" + entry.name.removeprefix(b"./").rstrip(b"/")))

        unpack(data, tree, layer=False, accept=accept, through_links=True)
        database.add(control, names)
    progress({"status": "Download complete", "id": "packages"})


def _keyring(tree: Path, name: str) -> str:
    for suffix in (".pgp", ".gpg"):
        path = f"/usr/share/keyrings/{name}{suffix}"
        if os.path.lexists(tree / path.lstrip("/")):
            return path
    raise EngineError(f"the base has no keyring {name}")


def _script(database: Database) -> str:
    """Runs inside: install scripts of the unpacked packages, then dpkg configures them in dependency order."""
    lines = [
        "set -e",
        "cd /",
        # mawk's own script makes the alternative; until then awk must be there for the others' scripts.
        "[ -e /usr/bin/awk ] || [ ! -e /usr/bin/mawk ] || ln -s mawk /usr/bin/awk",
        "export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_DEBUG=0",
        "export DPKG_RUNNING_VERSION=\"$(dpkg-query --show --showformat='${Version}' dpkg)\"",
    ]
    for name, architecture, base in database.preinst:
        lines.append(
            f"DPKG_MAINTSCRIPT_PACKAGE={shlex.quote(name)} DPKG_MAINTSCRIPT_ARCH={shlex.quote(architecture)}"
            f" DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 /var/lib/dpkg/info/{shlex.quote(base)}.preinst install"
        )
    lines += [
        "unset DPKG_ADMINDIR DPKG_ROOT DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_DEBUG DPKG_RUNNING_VERSION",
        *(f"dpkg --force-depends --force-unsafe-io --configure {name}" for name in _EARLY),
        # A descriptor of its own: dpkg closes it for the scripts, which need their standard output.
        "dpkg --force-unsafe-io --status-fd 3 --configure --pending 3>&1",
        "dpkg --audit",
    ]
    return "\n".join(lines)


def _configure(database: Database, places: Places, runner: RootRunner, total: int, progress: Progress) -> None:
    tail: deque[bytes] = deque(maxlen=50)
    pending = b""
    done = 0

    def output(data: bytes) -> None:
        nonlocal pending, done
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            if line.startswith(b"status: ") and line.endswith(b": installed"):
                done += 1
                progress(
                    {
                        "status": "Configuring",
                        "id": "packages",
                        "progressDetail": {"current": min(done, total), "total": total},
                    }
                )
            elif not line.startswith((b"status: ", b"processing: ")):
                tail.append(line)

    code = runner(
        lower=[places.empty],
        upper=places.tree,
        work=places.work,
        args=["/bin/sh", "-c", _script(database)],
        env=_ENVIRONMENT,
        network=False,
        output=output,
    )
    if code:
        last = b"\n".join([*tail, pending]).decode("utf-8", "replace").strip()
        raise EngineError(f"configuring the packages failed (exit code {code}):\n{last}")
    progress({"status": "Configured", "id": "packages"})
