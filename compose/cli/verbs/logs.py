"""`pycompose logs`: the output of the project's containers. Loads no model."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from ...client.containers import LogWindow
from ...errors import OperationError
from ...labels import NUMBER, ONEOFF, PROJECT, SERVICE, short_name
from ...run.lock import await_unlocked
from ..flags.parser import FlagError, integer
from ..session import Session
from ..show.logprinter import LogPrinter, want_color
from ..streams.follow import Follower

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from ...client.bodies.containers import ContainerRow
    from ...client.bodies.events import Event
    from ...client.system import Events
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
    if text == "all" or (text.startswith("-") and text[1:].isascii() and text[1:].isdigit()):
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
    names = {one["Id"]: short_name(one["Names"][0].removeprefix("/"), session.name) for one in found}
    printer.register(names.values())
    followers = [_follower(session, one["Id"], names[one["Id"]], printer, wanted) for one in found]
    if args.follow:
        return _Following(session, args.services, printer, names, wanted).run(followers)
    for follower in followers:
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


def _follower(session: Session, identity: str, name: str, printer: LogPrinter, wanted: LogWindow) -> Follower:
    tty = bool((session.engine.containers.inspect(identity).get("Config") or {}).get("Tty"))
    return Follower(session.engine, identity, name, printer, wanted, tty)


class _Following:
    """The output of a project's containers as it comes; those that start meanwhile join in."""

    def __init__(
        self, session: Session, services: list[str], printer: LogPrinter, names: dict[str, str], wanted: LogWindow
    ) -> None:
        self._session, self._services, self._printer = session, services, printer
        self._names, self._wanted = names, wanted
        self._followers: list[Follower] = []
        self._running: set[str] = set()
        self._ended: dict[str, str] = {}
        self._changed = threading.Condition()
        self._is_lost = False

    def run(self, followers: list[Follower]) -> int:
        """Until every container has ended, and not to start again, or Ctrl-C."""
        filters = {"type": ["container"], "event": ["start", "die"], "label": [f"{PROJECT}={self._session.name}"]}
        events = self._session.engine.system.events(filters)
        self._followers = followers
        self._running = self._listed()
        for follower in followers:
            follower.start()
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._running)
            await_unlocked(str(self._session.engine.endpoint.address), self._session.name)
            with self._changed:  # held, so that an end that comes after the listing is taken off what it says
                if not self._is_lost:
                    self._running |= self._listed()
                if not self._running:
                    break
        for follower in self._followers:
            follower.join()
        events.close()
        return 0

    def _listed(self) -> set[str]:
        return {one["Id"] for one in self._session.containers(self._services, all=False)}

    def _listen(self, events: Events) -> None:
        for event in events:
            attributes = event.get("Actor", {}).get("Attributes") or {}
            if self._services and attributes.get(SERVICE) not in self._services:
                continue
            if attributes.get(ONEOFF) == "True":
                continue
            with self._changed:
                self._take(event, event.get("Actor", {}).get("ID", ""), attributes)
                self._changed.notify_all()
        with self._changed:
            self._running.clear()
            self._is_lost = True
            self._changed.notify_all()

    def _take(self, event: Event, identity: str, attributes: Mapping[str, str]) -> None:
        from dataclasses import replace

        if event.get("Action") == "die":
            self._running.discard(identity)
            self._ended[identity] = f"{event.get('time', 0)}.{event.get('timeNano', 0) % 10**9:09d}"
            if identity in self._names:
                self._report_end(identity, attributes.get("exitCode"))
            return
        self._running.add(identity)
        if identity not in self._names:
            self._names[identity] = short_name(attributes.get("name", identity[:12]), self._session.name)
            self._printer.register([self._names[identity]])
        wanted = replace(self._wanted, since=self._ended.get(identity), tail="all")
        follower = _follower(self._session, identity, self._names[identity], self._printer, wanted)
        self._followers.append(follower)
        follower.start()

    def _report_end(self, identity: str, code: str | None) -> None:
        for follower in self._followers:
            if follower.container == identity:
                follower.join(1.0)
        self._printer.message(self._names[identity], f"exited with code {code or 'unknown'}")
