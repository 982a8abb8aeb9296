"""What a base image has besides its packages: apt sources, the container's apt and dpkg settings, and clean-up.

The settings are those that the official Debian and Ubuntu images carry, so that Dockerfiles behave alike.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .suites import Distribution, Source

_SLIM_EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/groff/*",
    "/usr/share/info/*",
    "/usr/share/linda/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
_SLIM_INCLUDED = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")

_FILES = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\n# Services are started by the container's command, never by packages.\nexit 101\n",
    "etc/apt/apt.conf.d/docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";\n',
    "etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb'
        ' /var/cache/apt/*.bin || true"; };\n'
        'APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb'
        ' /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
    "etc/apt/apt.conf.d/docker-gzip-indexes": 'Acquire::GzipIndexes "true";\n',
    "etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
}
_REMOVED = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/sources.list",
    "root/.bash_history",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/srcpkgcache.bin",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/available-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
)


def excluded(slim: bool) -> Callable[[str], bool]:
    """A predicate for absolute paths of files that the image leaves out."""
    if not slim:
        return lambda path: False

    def decide(path: str) -> bool:
        if not path.startswith("/usr/share/"):
            return False
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern in _SLIM_EXCLUDED):
            return False
        return not any(fnmatch.fnmatchcase(path, pattern) for pattern in _SLIM_INCLUDED)

    return decide


def write(tree: Path, distribution: Distribution, sources: Sequence[Source], keyring: str) -> None:
    """Put the settings into the tree. ``keyring`` is the absolute path that apt inside is told to trust."""
    files = dict(_FILES)
    if distribution.slim:
        lines = [f"path-exclude {pattern}\n" for pattern in _SLIM_EXCLUDED]
        lines += [f"path-include {pattern}\n" for pattern in _SLIM_INCLUDED]
        files["etc/dpkg/dpkg.cfg.d/docker"] = "".join(lines)
    files[f"etc/apt/sources.list.d/{distribution.name}.sources"] = sources_text(distribution, sources, keyring)
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if content.startswith("#!") else 0o644)


def sources_text(distribution: Distribution, sources: Sequence[Source], keyring: str) -> str:
    """deb822 sources (sources.list(5)): one stanza per mirror."""
    stanzas = []
    for mirror in dict.fromkeys(source.mirror for source in sources):
        suites = " ".join(source.suite for source in sources if source.mirror == mirror)
        stanzas.append(
            f"Types: deb\nURIs: {mirror}\nSuites: {suites}\n"
            f"Components: {' '.join(distribution.components)}\nSigned-By: {keyring}\n"
        )
    return "\n".join(stanzas)


def clean(tree: Path) -> None:
    """Remove what configuring left: logs, backups, caches."""
    for name in _REMOVED:
        (tree / name).unlink(missing_ok=True)
    for directory in ("var/lib/apt/lists", "var/cache/apt/archives"):
        for path in (tree / directory).glob("*"):
            if path.is_file():
                path.unlink()
    machine = tree / "etc/machine-id"
    if machine.exists():
        machine.write_text("")
