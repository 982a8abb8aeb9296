"""`pycompose restart --to`: new tasks or pods in place of those that run, by the service's own update settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.session import NoSuchService
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    _, backend = for_verb(args)
    known = backend.services()
    for name in args.services:
        if name not in known:
            raise NoSuchService(f"no such service: {name}")
    if args.dry_run:
        print("\n".join(f"DRY-RUN MODE -  Service {name} would be restarted" for name in args.services or known))
        return 0
    backend.restart(args.services)
    return 0
