"""`pycompose logs`: the output of the project's containers. Loads no model."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from functools import partial
from typing import TYPE_CHECKING

from ...app.following import Follower, Following
from ...client.containers import LogWindow
from ...errors import OperationError
from ...labels import NUMBER, SERVICE, short_name
from ..flags.parser import FlagError, integer
from ..session import Session
from ..show.logprinter import LogPrinter, want_color

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.containers import ContainerRow
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-f", "--follow", action="store_true", help="Follow log output")
    flag(
        "--index", type=integer, default=0, metavar="N", help="index of the container if service has multiple replicas"
    )
    flag("--no-color", action="store_true", help="Produce monochrome output")
    flag("--no-log-prefix", action="store_true", help="Don't print prefix in logs")
    flag("--since", metavar="TIME", help="Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m)")
    flag(
        "-n",
        "--tail",
        default="all",
        type=tail_count,
        metavar="N",
        help="Number of lines to show from the end of the logs for each container",
    )
    flag("-t", "--timestamps", action="store_true", help="Show timestamps")
    flag("--until", metavar="TIME", help="Show logs before a timestamp or relative")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def moment(text: str | None) -> str | None:
    """A time as the API takes it: seconds since the epoch. Relative ones (``42m``) count back from now."""
    if text is None:
        return None
    import re
    import time

    if re.fullmatch(r"\d+(\.\d+)?", text):
        return text
    if re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s|us|ns))+", text):
        from ....grammar import durations

        return f"{time.time() - durations.parse(text) / 1e9:.9f}"
    from datetime import datetime

    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise FlagError(
            f'invalid value for "since": failed to parse value as time or duration: "{text}" (a timestamp such as'
            " 2013-01-02T13:23:37Z, or a duration such as 42m)"
        ) from None
    return f"{parsed.timestamp():.9f}"


def tail_count(text: str) -> str:
    """A number of lines, or all, which a negative number means as well. An argparse type."""
    if text == "all" or (text.startswith("-") and text[1:].isascii() and text[1:].isdecimal()):
        return "all"
    if text.isascii() and text.isdigit():
        return text
    raise ArgumentTypeError("a number of lines, or all")


def run(args: Namespace) -> int:
    session = Session(args)
    wanted = LogWindow(args.follow, moment(args.since), moment(args.until), args.timestamps, args.tail)
    found = session.containers()
    if args.services:
        _check_services(session, args.services, found)
        found = [one for one in found if one["Labels"].get(SERVICE, "") in args.services]
    else:
        declared = session.declared
        found = [one for one in found if declared is None or one["Labels"].get(SERVICE, "") in declared]
    if args.index:
        found = [one for one in found if one["Labels"].get(NUMBER) == str(args.index)]
        if not found:
            raise OperationError(f'service "{" ".join(args.services)}" is not running container #{args.index}')
    # Both streams on standard output: what is asked for here is the log, whoever wrote which line of it.
    printer = LogPrinter(
        color=want_color(args.no_color, args.ansi), prefix=not args.no_log_prefix, out=sys.stdout, err=sys.stdout
    )
    called = partial(short_name, project=session.name)
    if args.follow:
        Following(session, args.services, found, printer, wanted, called).run()
        return 0
    names = {one["Id"]: called(one["Names"][0].removeprefix("/")) for one in found}
    printer.register(names.values())
    for follower in [Follower(session, identity, name, printer, wanted) for identity, name in names.items()]:
        follower.start()
        follower.join()  # one after the other: the output of one container stays together
    return 0


def _check_services(session: Session, services: list[str], found: list[ContainerRow]) -> None:
    known = session.declared or {one["Labels"].get(SERVICE, "") for one in found}
    missing = [name for name in services if name not in known]
    if missing:
        from ...app.session import NoSuchService, require_services

        if session.identity.files:
            require_services(missing, [*session.project.services, *session.project.disabled_services])
        else:
            raise NoSuchService(f"no such service: {missing[0]}")
