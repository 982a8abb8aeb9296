"""Flags that several verbs share word for word, as Docker's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import filter_word, integer

if TYPE_CHECKING:
    from .parser import Parser


def add_filter(parser: Parser, help: str = "Filter output based on conditions provided", *, short: bool = True) -> None:
    """``-f, --filter NAME=VALUE``, as often as wanted; without ``short`` there is no ``-f``."""
    names = ("-f", "--filter") if short else ("--filter",)
    parser.add_argument(*names, type=filter_word, action="append", default=[], metavar="FILTER", help=help)


def add_prune(parser: Parser, filters: str = "Provide filter values (e.g. label=...)") -> None:
    """What every ``prune`` has: ``--filter`` and ``-f, --force``."""
    add_filter(parser, filters, short=False)
    parser.add_argument("-f", "--force", action="store_true", help="Do not prompt for confirmation")


def add_target(parser: Parser) -> None:
    """``--to`` and ``--node``: the same verb on a cluster."""
    flag = parser.add_argument
    flag(
        "--to", metavar="TARGET", help="On a cluster: swarm, kubernetes (each also KIND:CONTEXT), or a name in x-deploy"
    )
    flag(
        "--node",
        action="append",
        default=[],
        metavar="NAME=HOST",
        help="With --to swarm: the engine of a node, where it has to be asked itself",
    )


def add_stopping(parser: Parser) -> None:
    """``-t, --timeout`` and ``-s, --signal`` of verbs that stop containers."""
    parser.add_argument(
        "-t",
        "--time",
        "--timeout",
        dest="timeout",
        type=integer,
        metavar="SECONDS",
        help="Seconds to wait before killing the container",
    )
    parser.add_argument("-s", "--signal", metavar="SIGNAL", help="Signal to send to the container")
