"""Values that images speak in: what an image, a layer, a platform and a credential are.

Nothing here touches a disk or a network; the service (service.py) makes these from records.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .bodies import ImageConfig, Process


@dataclass(frozen=True, slots=True)
class Layer:
    """One unpacked layer. ``diff_id`` is the digest of its tar, ``chain_id`` that of it and all layers below.

    ``size`` is the sum of its regular files in bytes.
    """

    diff_id: str
    chain_id: str
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the store. ``config`` is the OCI image configuration, verbatim; ``layers`` go bottom first.

    ``repo_tags`` and ``repo_digests`` are familiar names (``debian:bookworm-slim``), as at the time of the look-up.
    ``created`` is the configuration's RFC 3339 text ("" when it has none), ``size`` the sum over the layers.
    """

    id: str
    config: ImageConfig = field(hash=False)
    layers: tuple[Layer, ...]
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size: int = 0
    created: str = ""
    parent: str = ""

    @property
    def process(self) -> Process:
        """The ``config`` member: Cmd, Entrypoint, Env, User, WorkingDir, Volumes, ExposedPorts, Labels…"""
        return self.config.get("config") or {}


class ImageUser(NamedTuple):
    """A container that was made from an image: why the image cannot go."""

    container: str
    running: bool


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials for one registry, as decoded from X-Registry-Auth or read from the client's configuration."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token or self.registry_token)


_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
}
_ARCHITECTURES = {
    *_ALIASES, *(name for name, _ in _MACHINES.values()), "mips", "mipsle", "mips64", "mips64le", "loong64", "wasm", "ppc64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in GOOS/GOARCH words."""

    os: str
    architecture: str
    variant: str = ""

    @staticmethod
    def host() -> Platform:
        machine = os.uname().machine
        architecture, variant = _MACHINES.get(machine, (machine, ""))
        return Platform("linux", architecture, variant)

    @staticmethod
    def parse(text: str) -> Platform:
        """``linux/amd64``, ``linux/arm/v7``, ``arm64``, ``linux``; raises InvalidParameter."""
        host = Platform.host()
        parts = text.strip().lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise InvalidParameter(f'"{text}": invalid platform: want os[/architecture[/variant]]')
        if len(parts) == 1:
            if parts[0] in ("linux", "windows", "darwin", "freebsd"):
                return Platform(parts[0], host.architecture, host.variant)
            if parts[0] not in _ARCHITECTURES:
                raise InvalidParameter(f'"{text}": unknown operating system or architecture: invalid argument')
            parts = ["linux", *parts]
        architecture, variant = _ALIASES.get(parts[1], (parts[1], ""))
        if len(parts) == 3:
            variant = parts[2]
        if architecture == "arm64" and variant == "v8":
            variant = ""
        if architecture == "arm" and not variant:
            variant = "v7"
        return Platform(parts[0], architecture, variant)

    @staticmethod
    def of(config: Mapping[str, object]) -> Platform:
        """What an image's configuration says that it runs on."""
        host = Platform.host()
        architecture, variant = str(config.get("architecture") or host.architecture), str(config.get("variant") or "")
        return Platform(str(config.get("os") or host.os), architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def platform_of(image: Image) -> Platform:
    """What an image says that it runs on."""
    return Platform.of(image.config)


class RootRunner(Protocol):
    """Runs one command inside a container whose root is an overlay; what bootstrap needs of the engine.

    ``lower`` is top-most first; changes go to ``upper``. ``network`` gives the command egress. Returns the exit code.
    """

    def __call__(
        self,
        *,
        lower: Sequence[Path],
        upper: Path,
        work: Path,
        args: Sequence[str],
        env: Mapping[str, str],
        network: bool,
        output: Callable[[bytes], None],
    ) -> int: ...
