"""Which archive, suites and keyring an image name such as ``debian:bookworm-slim`` stands for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..reference import Reference

DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_SECURITY = "http://security.ubuntu.com/ubuntu"
UBUNTU_PORTS = "http://ports.ubuntu.com/ubuntu-ports"

_DEBIAN_VERSIONS = {"11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky", "latest": "stable"}
_UBUNTU_VERSIONS = {
    "20.04": "focal",
    "22.04": "jammy",
    "24.04": "noble",
    "25.04": "plucky",
    "25.10": "questing",
    "26.04": "resolute",
    "latest": "noble",
}
_ROLLING = ("sid", "unstable", "experimental")
_CODENAME = re.compile(r"[a-z]{2,20}")
_ARCHITECTURES = {"amd64": "amd64", "arm64": "arm64", "386": "i386", "ppc64le": "ppc64el", "s390x": "s390x"}


@dataclass(frozen=True, slots=True)
class Source:
    """One suite of an archive: ``deb <mirror> <suite> <components>``."""

    mirror: str
    suite: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Distribution:
    """What to build: ``sources`` begin with the main suite; ``keyring`` is a file name under /usr/share/keyrings."""

    name: str
    suite: str
    slim: bool
    sources: tuple[Source, ...]
    components: tuple[str, ...]
    keyring: str


def known(ref: Reference) -> bool:
    """Whether this is a name of an image that bootstrap could build."""
    return ref.name in ("docker.io/library/debian", "docker.io/library/ubuntu") and not ref.digest


def distribution(ref: Reference, architecture: str, mirror: str | None, env: Mapping[str, str]) -> Distribution:
    """The distribution for a reference; ``mirror`` (or PYCOMPOSE_DEBIAN_MIRROR, PYCOMPOSE_UBUNTU_MIRROR) replaces the
    main archive. Raises InvalidParameter for names that no archive stands for."""
    if not known(ref):
        raise InvalidParameter(
            f"cannot bootstrap {ref.familiar}: only debian:<suite>[-slim] and ubuntu:<suite> can be built"
        )
    tag = ref.tag or "latest"
    slim = tag.endswith("-slim")
    base = tag.removesuffix("-slim")
    if ref.familiar_name == "debian":
        return _debian(ref, base, slim, mirror or env.get("PYCOMPOSE_DEBIAN_MIRROR") or "", env)
    return _ubuntu(ref, base, slim, architecture, mirror or env.get("PYCOMPOSE_UBUNTU_MIRROR") or "")


def _suite(ref: Reference, base: str, versions: Mapping[str, str]) -> str:
    suite = versions.get(base, base)
    if not _CODENAME.fullmatch(suite):
        raise InvalidParameter(f"cannot bootstrap {ref.familiar}: {base!r} is not a release of {ref.familiar_name}")
    return suite


def _debian(ref: Reference, base: str, slim: bool, mirror: str, env: Mapping[str, str]) -> Distribution:
    suite = _suite(ref, base, _DEBIAN_VERSIONS)
    main = (mirror or DEBIAN).rstrip("/")
    security = env.get("PYCOMPOSE_DEBIAN_SECURITY_MIRROR") or (
        f"{main.removesuffix('/debian')}/debian-security" if main.endswith("/debian") else DEBIAN_SECURITY
    )
    sources = [Source(main, suite)]
    if suite not in _ROLLING:
        rolling = suite == "testing"
        sources.append(Source(main, f"{suite}-updates", optional=rolling))
        sources.append(Source(security.rstrip("/"), f"{suite}-security", optional=rolling))
    return Distribution("debian", suite, slim, tuple(sources), ("main",), "debian-archive-keyring")


def _ubuntu(ref: Reference, base: str, slim: bool, architecture: str, mirror: str) -> Distribution:
    suite = _suite(ref, base, _UBUNTU_VERSIONS)
    ports = architecture not in ("amd64", "386")
    main = (mirror or (UBUNTU_PORTS if ports else UBUNTU)).rstrip("/")
    security = main if mirror or ports else UBUNTU_SECURITY
    sources = (Source(main, suite), Source(main, f"{suite}-updates"), Source(security, f"{suite}-security"))
    components = ("main", "universe", "restricted", "multiverse")
    return Distribution("ubuntu", suite, slim, sources, components, "ubuntu-archive-keyring")


def package_architecture(architecture: str) -> str:
    """dpkg's name for a GOARCH."""
    if architecture not in _ARCHITECTURES:
        raise InvalidParameter(f"cannot bootstrap for {architecture}")
    return _ARCHITECTURES[architecture]
