"""Attached `up`: output of all services while they run, exits as they happen, Ctrl-C to stop, once more to kill.

Containers are created first; then every start attaches a follower, so no line is lost. It ends when nothing runs any
more, when --abort-on-container-exit says so, or when it is interrupted. A lost exit code is never 0.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from ...app.converge import converge
from ...app.following import Follower, LineSplitter
from ...client.containers import LogWindow
from ...errors import EngineError, OperationError
from ...labels import HOOK, ONEOFF, SERVICE, short_name
from ...plan.graph import COMPLETED, dependants
from ...run.events import Output
from ...run.lock import await_unlocked
from ...run.parallel import in_parallel
from ...run.watch_events import ContainerEvents
from ..session import report_failures
from ..show.logprinter import LogPrinter, want_color
from .menu import Menu, wants_menu

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.containers import Container
    from ...client.bodies.events import Event as ContainerEvent
    from ...plan.observe import ObservedContainer
    from ...plan.plan import Plan
    from ...plan.reconcile.options import UpOptions
    from ...run.events import Event
    from ...run.perform import Settings, World
    from ..session import Session

INTERRUPTED = 130
UNKNOWN_EXIT = 255


class _Attachment:
    """The containers that are followed, and how each ended."""

    def __init__(self, session: Session, args: Namespace, services: set[str]) -> None:
        self.session = session
        self.args = args
        self.services = services
        self.printer = LogPrinter(color=want_color(args.no_color, args.ansi), prefix=not args.no_log_prefix)
        self.changed = threading.Condition()
        self.followers: dict[str, Follower] = {}
        self.names: dict[str, str] = {}
        self.service_of: dict[str, str] = {}
        self.running: set[str] = set()
        self.exits: list[tuple[str, int]] = []
        self.early_ends: dict[str, int] = {}
        self.last_end: dict[str, str] = {}
        self.between_runs: set[str] = set()
        self.error: EngineError | None = None
        self.stopping = False
        self.watching = False
        """Containers come and go as sources change; only the user ends it."""
        self.detached = False
        self.splitters: dict[str, LineSplitter] = {}

    def name(self, container: str) -> str:
        return short_name(container, self.session.project.name)

    def prepare(self, world: World, plan: Plan) -> None:
        """Called when everything is created and nothing started: announce, follow what runs already, hook the starts."""
        names: dict[str, str] = {}
        for operation in plan.operations:
            if operation.verb == "start":
                names[operation.subject] = getattr(operation, "service", "")
        for one in plan.unchanged:
            names[one.name] = one.service
        attached = sorted(name for name, service in names.items() if service in self.services)
        self.printer.register(self.name(name) for name in attached)
        self.events = ContainerEvents(self.session.engine, self.session.project.name)
        threading.Thread(target=self._listen, daemon=True).start()
        if attached:
            print(f"Attaching to {', '.join(self.name(name) for name in attached)}", flush=True)
        self.service_names = names

        for operation in plan.operations:
            existing = getattr(operation, "id", "") if operation.verb == "start" else ""
            if existing:
                # What it wrote in an earlier life has been seen, or was not asked for.
                tree = self.session.engine.containers.inspect(existing)
                if _has_run_before(tree):
                    self.last_end[existing] = _epoch(str(tree["State"]["FinishedAt"]))

        def started(name: str, identity: str) -> None:
            self.follow(name, identity, fresh=True)

        world.on_start = started
        world.listen(self._show)
        for one in plan.unchanged:
            if one.state in ("running", "restarting", "paused"):
                self.follow(one.name, world.container_ids[one.name], fresh=False)

    def _show(self, event: Event) -> None:
        """What hooks write, line by line, between the output of the services."""
        if isinstance(event, Output):
            splitter = self.splitters.setdefault(event.id, LineSplitter(self.printer, event.id))
            splitter.feed(1, event.text.encode())

    def follow(self, name: str, identity: str, *, fresh: bool) -> None:
        service = self.service_names.get(name, "")
        if service in self.services:
            # Before its end can be told: what it wrote comes first, and all of it.
            self._attach(identity, name, None if fresh else "now")
        with self.changed:
            self.names[identity] = name
            self.service_of[identity] = service
            self.running.add(identity)
            early = self.early_ends.pop(identity, None)
        if early is None and not fresh:
            early = self._end_of(identity)
        if early is not None:
            self._ended(identity, early)

    def _attach(self, identity: str, name: str, since: str | None) -> None:
        import time

        tree = self.session.engine.containers.inspect(identity)
        moment = since
        if since is None:
            moment = self.last_end.get(identity)
        elif since == "now":
            moment = f"{time.time():.9f}"
        wanted = LogWindow(follow=True, since=moment, timestamps=self.args.timestamps)
        follower = Follower(
            self.session, identity, self.name(name), self.printer, wanted, bool(tree["Config"].get("Tty"))
        )
        follower.start()
        self.followers[identity] = follower

    def _attach_again(self, identity: str) -> None:
        """The container runs once more. Our engine's log goes on over a restart; others end it with each run."""
        follower = self.followers.get(identity)
        if follower is not None and follower.alive:
            if self.session.engine.is_pycompose:
                return
            follower.join(1.0)
        self._attach(identity, self.names[identity], None)

    def _listen(self) -> None:
        # Should this thread break down, whoever waits for an end must hear of it.
        failure: EngineError | None = EngineError("the containers' events are no longer followed")
        try:
            self.events.run(self._event)
            failure = None
        except EngineError as error:
            failure = error
        finally:
            if failure is not None:
                with self.changed:
                    self.error = failure
                    self.changed.notify_all()

    def _event(self, event: ContainerEvent) -> None:
        if not event:
            self._look_again()
            return
        identity = str((event.get("Actor") or {}).get("ID", ""))
        action = str(event.get("Action") or event.get("status") or "")
        if action == "die":
            code = (event["Actor"].get("Attributes") or {}).get("exitCode")
            number = int(code) if code not in (None, "") else UNKNOWN_EXIT
            with self.changed:
                if identity not in self.names:
                    # Faster than the answer to its start.
                    self.early_ends[identity] = number
                    return
            self.between_runs.add(identity)
            self.last_end[identity] = f"{event.get('time', 0)}.{int(event.get('timeNano', 0)) % 10**9:09d}"
            self._ended(identity, number)
        elif action == "start" and self.watching and identity not in self.names:
            labels = event["Actor"].get("Attributes") or {}
            if labels.get(ONEOFF) == "False" and not labels.get(HOOK):
                name = str(labels.get("name", ""))
                self.service_names[name] = str(labels.get(SERVICE, ""))
                self.follow(name, identity, fresh=True)
        elif action == "start" and identity in self.names:
            with self.changed:
                self.running.add(identity)
            if self.service_of[identity] in self.services and identity in self.between_runs:
                self.between_runs.discard(identity)
                self._attach_again(identity)

    def _look_again(self) -> None:
        """Events were lost (the engine restarted): believe the containers."""
        for identity in list(self.running):
            code = self._end_of(identity)
            if code is not None:
                self._ended(identity, code)

    def _end_of(self, identity: str) -> int | None:
        """The exit code of a container that has ended, seen by looking: no event told of it."""
        try:
            state = self.session.engine.containers.inspect(identity)["State"]
        except EngineError as error:
            return UNKNOWN_EXIT if error.status == 404 else None
        if state.get("Status") not in ("exited", "dead"):
            return None
        code = state.get("ExitCode")
        return UNKNOWN_EXIT if code is None else int(code)

    def _ended(self, identity: str, code: int) -> None:
        restarting = not self.stopping and self._will_restart(identity)
        follower = self.followers.get(identity)
        if follower is not None and not restarting:
            follower.join(5.0)
        if self.service_of[identity] in self.services:
            note = " (restarting)" if restarting else ""
            self.printer.message(self.name(self.names[identity]), f"exited with code {code}{note}")
        with self.changed:
            if not restarting:
                self.running.discard(identity)
                self.exits.append((self.service_of[identity], code))
            self.changed.notify_all()

    def _will_restart(self, identity: str) -> bool:
        try:
            tree = self.session.engine.containers.inspect(identity)
        except EngineError:
            return False
        return bool(tree["State"].get("Restarting")) or tree["State"].get("Status") in ("restarting", "running")

    def wait(self) -> str:
        """Block until there is something to decide: "done", "abort" or "detached". Raises KeyboardInterrupt and `EngineError`."""
        args = self.args
        watched = self.services | ({args.exit_code_from} if args.exit_code_from else set())
        while True:
            with self.changed:
                if self.error is not None:
                    raise self.error
                if self.detached:
                    return "detached"
                codes = self.end_codes()
                if args.abort_on_container_exit and codes:
                    return "abort"
                if args.abort_on_container_failure and any(codes):
                    return "abort"
                if self.watching or any(self.service_of[one] in watched for one in self.running):
                    self.changed.wait()
                    continue
            if not self._runs_again(watched):
                return "done"

    def _runs_again(self, watched: set[str]) -> bool:
        """Everything has ended: whether some of it was only to be started again, by another command."""
        await_unlocked(str(self.session.engine.endpoint.address), self.session.project.name)
        with self.changed:  # held, so that an end that comes after the listing is taken off what it says
            found = self.session.containers(all=False)
            again = {one["Id"] for one in found if self.service_of.get(one["Id"]) in watched}
            self.running |= again
            return bool(again)

    def end_codes(self) -> list[int]:
        """The codes of ends that mean something to --abort-on-container-exit, in order: not those of services that were to
        end, and did so well, before others could start."""
        jobs = {
            name
            for name, followers in dependants(self.session.project.services).items()
            if name != self.args.exit_code_from and any(one.condition == COMPLETED for one in followers.values())
        }
        return [
            code
            for service, code in self.exits
            if (service in self.services and not (service in jobs and code == 0)) or service == self.args.exit_code_from
        ]

    def detach(self) -> None:
        """Leave the containers running."""
        with self.changed:
            self.detached = True
            self.changed.notify_all()

    def watch(self, on: bool) -> None:
        """Whether sources are watched from now on."""
        with self.changed:
            self.watching = on
            self.changed.notify_all()

    def held(self) -> contextlib.AbstractContextManager[None]:
        """While somebody else has the terminal."""
        return self.printer.held()

    def drain(self) -> None:
        """Until what ended containers wrote last is printed."""
        for identity, follower in self.followers.items():
            if identity not in self.running:
                follower.join(5.0)
        for splitter in self.splitters.values():
            splitter.finish()

    def close(self) -> None:
        self.events.close()
        for follower in self.followers.values():
            follower.close()


def _has_run_before(tree: Container) -> bool:
    return not str(tree["State"].get("FinishedAt") or "0001").startswith("0001")


def _epoch(moment: str) -> str:
    """RFC 3339 as seconds with nanoseconds, the form `since` takes."""
    import re
    from datetime import datetime

    matched = re.fullmatch(r"(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", moment)
    if matched is None:
        return "0"
    whole = datetime.fromisoformat(matched[1] + matched[3].replace("Z", "+00:00")).timestamp()
    return f"{int(whole)}.{(matched[2] or '0'):0<9}"


def attached_services(session: Session, options: UpOptions, args: Namespace) -> set[str]:
    """Whose output is shown, and whose end is waited for: --attach, --no-attach, ``attach: false``, and dependencies only
    where asked. Raises `OperationError` for a service that `up` does not bring up."""
    from ...plan.reconcile.up import selection

    project = session.project
    names = selection(project, options)
    others = [name for name in args.attach if name not in names]
    if others:
        raise OperationError(f"cannot attach to services not included in up: {', '.join(others)}")
    everything = set(names)
    if options.services and not args.attach_dependencies:
        names = [name for name in names if name in options.services]
    names = args.attach or [name for name in names if project.services[name].get("attach") is not False]
    return {name for name in names if name not in args.no_attach} or everything


def run_attached(session: Session, options: UpOptions, args: Namespace, settings: Settings) -> int:
    if args.exit_code_from and args.exit_code_from not in session.project.services:
        from ...app.session import NoSuchService

        raise NoSuchService(f"no such service: {args.exit_code_from}")
    attachment = _Attachment(session, args, attached_services(session, options, args))
    watcher = None
    if args.watch:
        from .watching import Watcher

        watcher = Watcher(session, args)
    try:
        result = converge(session, options, settings=settings, attach=attachment.prepare)
        if args.timings is not None:
            from ..show.timings import show_timings

            show_timings(result, args.timings)
        if result.failures:
            # What did start is left running, to be looked at and mended.
            return report_failures(session, result)
        if watcher is not None:
            watcher.start()
            attachment.watch(True)
        with contextlib.ExitStack() as stack:
            if wants_menu(args):
                stack.enter_context(Menu(session, args, attachment, watcher))
                watcher = None
            verdict = attachment.wait()
        if verdict == "detached":
            return 0
        if verdict == "abort":
            print("Aborting on container exit...", file=sys.stderr, flush=True)
            attachment.stopping = True
            stop_all(session, attachment, options)
            return _exit_code(attachment, args)
        attachment.drain()
        return 0
    except KeyboardInterrupt:
        return _interrupted(session, attachment, options)
    finally:
        if watcher is not None:
            watcher.close()
        if hasattr(attachment, "events"):
            attachment.close()


def _exit_code(attachment: _Attachment, args: Namespace) -> int:
    """The chosen service's code, else that of the container whose end stopped everything."""
    if args.exit_code_from:
        return next((code for service, code in attachment.exits if service == args.exit_code_from), UNKNOWN_EXIT)
    codes = attachment.end_codes()
    if args.abort_on_container_failure and not args.abort_on_container_exit:
        return next(filter(None, codes), 0)
    return codes[0] if codes else UNKNOWN_EXIT


def _interrupted(session: Session, attachment: _Attachment, options: UpOptions) -> int:
    print("\nGracefully stopping... (press Ctrl+C again to force)", file=sys.stderr, flush=True)
    attachment.stopping = True
    try:
        stop_all(session, attachment, options)
    except KeyboardInterrupt:
        identities = [one.id for one in _brought_up(session, options) if one.running]
        in_parallel([lambda one=one: session.engine.containers.kill(one) for one in identities])  # type: ignore[misc]
    return INTERRUPTED


def _brought_up(session: Session, options: UpOptions) -> list[ObservedContainer]:
    """The containers of the services that `up` was called for: those named, or all of the project."""
    from ...plan.observe import list_containers

    wanted = options.services or tuple(session.project.services)
    found = list_containers(session.engine, session.project.name)
    return [one for one in found if one.service in wanted and not one.oneoff]


def stop_all(session: Session, attachment: _Attachment, options: UpOptions) -> None:
    """Stop what `up` was called for, dependants first, each level at once; wait until the ends are known."""
    from ...app.stopping import stop_containers

    containers = _brought_up(session, options)
    stop_containers(session, containers, options.timeout)
    stopped = {one.id for one in containers}
    with attachment.changed:
        attachment.changed.wait_for(
            lambda: not attachment.running & stopped or attachment.error is not None, timeout=10.0
        )
    attachment.drain()
