"""`pycompose port --to`: where a service's port is reached from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....grammar.numerals import natural
from ....errors import OperationError
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    text, _, protocol = args.private_port.partition("/")
    number = natural(text)
    if number is None:
        raise OperationError(f"invalid port {args.private_port!r}")
    kind = (protocol or args.protocol).lower()
    _, backend = for_verb(args)
    found = backend.addresses(args.service, number, kind)
    if not found:
        raise OperationError(f"no port {text}/{kind} of service {args.service} is published")
    print("\n".join(found))
    return 0
