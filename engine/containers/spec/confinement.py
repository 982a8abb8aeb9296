"""Which AppArmor profile and which SELinux labels a container runs under, and what is refused. Decisions only.

Whatever is asked for in ``security_opt`` is applied or refused: nobody shall take a container for confined that is not.
``unconfined`` and ``disable`` ask for nothing, so they are fine everywhere, and so are ``z`` and ``Z`` of a bind mount where
no SELinux keeps the container from its files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from .security import SecurityOptions

DEFAULT_PROFILE = "pycompose-default"
UNCONFINED = "unconfined"
_PARTS = ("user", "role", "type", "level")


@dataclass(frozen=True, slots=True)
class Modules:
    """What this host's kernel enforces. ``contexts`` is the text of SELinux's lxc_contexts; ``available``: the
    default profile of AppArmor is loaded, or can be."""

    apparmor: bool = False
    selinux: bool = False
    available: bool = False
    contexts: str = ""


@dataclass(frozen=True, slots=True)
class Confinement:
    """``profile`` of AppArmor, ``label`` of the process and ``file_label`` of its files in SELinux; "" for none."""

    profile: str = ""
    label: str = ""
    file_label: str = ""


NOTHING = Confinement()


def decide(options: SecurityOptions, modules: Modules, *, privileged: bool) -> Confinement:
    """Raises InvalidParameter for what was asked for and cannot be had here."""
    return Confinement(_profile(options, modules, privileged=privileged), *_labels(options, modules))


def _profile(options: SecurityOptions, modules: Modules, *, privileged: bool) -> str:
    asked = options.apparmor
    if asked == UNCONFINED:
        return ""
    if asked and not modules.apparmor:
        raise InvalidParameter(
            f"security option apparmor={asked} cannot be applied: AppArmor is not active on this host"
            " (apparmor=unconfined asks for none)"
        )
    if asked == DEFAULT_PROFILE and not modules.available:
        raise InvalidParameter(
            f"security option apparmor={asked} cannot be applied: it is not loaded, and cannot be:"
            " that takes root and apparmor_parser (package apparmor)"
        )
    if asked:
        return asked
    return DEFAULT_PROFILE if modules.apparmor and modules.available and not privileged else ""


def _labels(options: SecurityOptions, modules: Modules) -> tuple[str, str]:
    if not options.label or "disable" in options.label:
        return "", ""
    words = ", ".join(f"label={word}" for word in options.label)
    if not modules.selinux:
        raise InvalidParameter(
            f"security option {words} cannot be applied: SELinux is not active on this host (label=disable asks for none)"
        )
    process, file = (_context(modules.contexts, kind) for kind in ("process", "file"))
    for word in options.label:
        name, found, value = word.partition(":")
        if not found or not value or name not in (*_PARTS, "filetype"):
            raise InvalidParameter(
                f"invalid security option label={word}: expected user, role, type, level or filetype"
            )
        if name == "filetype":
            file[2] = value
            continue
        process[_PARTS.index(name)] = value
        if name == "level":
            file[3] = value
    return ":".join(process), ":".join(file)


def file_label(modules: Modules, confinement: Confinement, *, shared: bool) -> str:
    """What ``z`` (``shared``) or ``Z`` gives the files of a bind mount; "" where no SELinux is."""
    if not modules.selinux:
        return ""
    if confinement.file_label and not shared:
        return confinement.file_label
    return ":".join(_context(modules.contexts, "file"))


def check_labelled(path: str) -> None:
    """Raises InvalidParameter for directories that the whole system lives in: labelled for containers it would not boot."""
    if os.path.realpath(path) in _SYSTEM:
        raise InvalidParameter(f"bind mount of {path}: z and Z would label the system's own files; leave them out")


_SYSTEM = frozenset(
    f"/{name}"
    for name in (
        *("", "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run"),
        *("sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "usr/share", "var"),
        *("var/lib", "var/log", "var/run"),
    )
)


def _context(text: str, kind: str) -> list[str]:
    """User, role, type and level of one of the contexts that the policy has for containers."""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        parts = value.strip().strip('"').split(":", 3)
        if name.strip() == kind and len(parts) == len(_PARTS):
            return parts
    raise InvalidParameter(f"the SELinux policy of this host has no {kind} context for containers (lxc_contexts)")
