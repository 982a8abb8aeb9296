"""`pycompose engine uninstall`: the engine no longer starts with the machine. Containers, images and volumes stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....errors import OperationError
from .install import RUNNING, add_user_flag, installation, is_ours, systemctl

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_user_flag(parser)
    parser.add_argument("--destdir", metavar="DIR", help="Only remove the units below DIR")


def run(args: Namespace) -> int:
    found = installation(args)
    paths = [f"{args.destdir or ''}{path}" for path in found.units()]
    there = [path for path in paths if os.path.lexists(path) and is_ours(path)]
    if not there:
        print("not installed: nothing to do")
        return 0
    if args.dry_run:
        print("\n".join(f"{path}: would be removed" for path in there))
        return 0
    is_served = not args.destdir and os.path.isdir(RUNNING)
    if is_served:
        systemctl(found, "disable", "--now", *(os.path.basename(path) for path in there))
    for path in there:
        try:
            os.unlink(path)
        except OSError as error:
            raise OperationError(f"{path}: {error.strerror}") from None
        print(f"{path}: removed")
    if is_served:
        systemctl(found, "daemon-reload")
    return 0
