"""`pycompose top --to`: the processes of the project's running tasks or pods."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....deploy.units import chosen
from ....errors import ComposeError
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    _, backend = for_verb(args)
    code = 0
    for unit in chosen(backend.units(), args.services):
        if unit.state != "running":
            continue
        print(f"{unit.name} on {unit.node}")
        try:
            print(backend.processes(unit))
        except ComposeError as error:
            print(error, file=sys.stderr)  # one node that cannot be asked keeps nobody from the others
            code = 1
        print()
    return code
