"""What will not run where there is one user id (runtime/oneid.py), told before it is started. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bodies import Config

_PROGRAM = re.compile(
    r"(?:^|[\s;&|('\"])(?:[\w./-]*/)?(?:initdb|postmaster|pg_ctl|pg_ctlcluster|pg_createcluster)(?=$|[\s;&|)'\"])"
)
_SERVER = re.compile(r"/postgres(?=$|[\s;&|)'\"])")
"""By its path alone: the bare word is as often the name of a user or of a database."""


def warnings(config: Config) -> list[str]:
    """One line for a container that starts as root and is to become somebody else who compares the owner of its files with
    itself: all files are root's there, to whoever has been root. ``config`` is complete, the image's members included."""
    if _is_root(config["User"] or "") and _runs_postgresql(config):
        return [
            "PostgreSQL runs as a user who owns its files, and with one user id whoever starts as root owns them as root only: it"
            " will refuse to start. Name its user in user: (user: postgres), or install the package uidmap for an engine with more ids"
        ]
    return []


def _is_root(user: str) -> bool:
    return user.partition(":")[0] in ("", "0", "root")


def _runs_postgresql(config: Config) -> bool:
    entrypoint, command = config["Entrypoint"] or [], config["Cmd"] or []
    first = command[0] if command else ""
    if first == "postgres" or (first.startswith("-") and _has_data_directory(config)):
        return True  # as the official image has it, whose entrypoint takes options alone as well
    return any(_PROGRAM.search(word) or _SERVER.search(word) for word in (*entrypoint, *command))


def _has_data_directory(config: Config) -> bool:
    return any(variable.startswith("PGDATA=") for variable in config["Env"] or [])
