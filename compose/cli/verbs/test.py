"""`pycompose test`: a stack of its own under a lease, ready before the command starts, gone when it has ended.

The project gets a new name and automatic ports, so any number of runs of one file go side by side. The lease's owner is
this process: should it be killed, the engine takes the stack away.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..flags.parser import integer
from ..flags.pulling import pull_policy
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from ...app.testreport import RunReport, ServiceReport
    from ...client.http import Query
    from ..flags.parser import Parser

INTERSPERSED = False
SET_UP_FAILED = 1
LINES = 100
KEEP = ("never", "failed", "always")


class Terminated(BaseException):
    """A signal that ends a program by default came while the stack was set up or taken away."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-f", "--file", action="append", default=[], metavar="FILE", help="Compose configuration files")
    flag("--build", action="store_true", help="Build images before starting containers")
    flag("--from", dest="snapshot", metavar="SNAPSHOT", help="Start with the volumes of a snapshot of the project")
    flag("--keep", default="never", metavar="WHEN", help="When to keep the stack: never, failed or always")
    flag("--no-deps", action="store_true", help="Don't start linked services")
    flag("--ports", metavar="MODE", help='Host ports: "auto" (default) or "fixed" as declared')
    flag("--pull", metavar="POLICY", help='Pull image before running ("always"|"missing"|"never")')
    flag("--quiet", "-q", action="store_true", help="Show no progress of the set-up")
    flag("--report", metavar="FORMAT", help="Write a report: junit or json")
    flag("--report-file", metavar="FILE", help="Where (default: pycompose-test.xml or pycompose-test.json)")
    flag("--service", action="append", default=[], metavar="SERVICE", help="Only this service and its dependencies")
    flag("--wait-timeout", type=integer, metavar="SECONDS", help="How long the stack may take to be ready")
    parser.add_argument("command", nargs="*", metavar="COMMAND")


def run(args: Namespace) -> int:
    from ...app.testreport import FORMATS

    if not args.command:
        raise UsageError("pycompose test needs a command: pycompose test [OPTIONS] -- COMMAND")
    if args.keep not in KEEP:
        raise UsageError(f"--keep: {args.keep!r} is none of {', '.join(KEEP)}")
    if args.report not in (None, *FORMATS):
        raise UsageError(f"--report: {args.report!r} is none of {', '.join(FORMATS)}")
    if args.quiet:
        args.progress = "quiet"
    base = Session(args).name
    from ...plan.ephemeral import ephemeral_name

    args.project_name = ephemeral_name(base)
    session = Session(args, is_ephemeral=True)
    try:
        with _signals_raise():
            return _with_stack(session, args, base)
    except KeyboardInterrupt:
        return 130
    except Terminated as ended:
        return 128 + ended.number


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the stack of calls as Ctrl-C does, so that everything is taken down in order."""

    def handle(number: int, frame: object) -> None:
        raise Terminated(number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_stack(session: Session, args: Namespace, base: str) -> int:
    from ...app.leasing import take_lease
    from ...plan.ephemeral import built_images

    project = session.project
    lease = take_lease(session, f"pid:{os.getpid()}", built_images(project))
    keep = args.keep == "always"
    try:
        report = _test(session, args, base)
        if report.failed:
            keep = keep or args.keep == "failed"
        _tell(session, args, report)
        return SET_UP_FAILED if report.exit_code is None else report.exit_code
    finally:
        # Nothing may come between: a second Ctrl-C does not leave half a stack.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        if keep:
            session.engine.leases.release(lease)
            print(
                f"the stack stays: pycompose -p {session.name} ps; pycompose -p {session.name} down -v", file=sys.stderr
            )
        else:
            session.engine.leases.end(lease)


def _test(session: Session, args: Namespace, base: str) -> RunReport:
    from ...app.addresses import environment
    from ...app.testreport import RunReport
    from ...errors import ComposeError
    from ..streams.foreground import run_command

    begin = time.monotonic()
    command = tuple(args.command)
    try:
        problem = _set_up(session, args, base)
    except ComposeError as error:
        problem = str(error)
    ready = time.monotonic()
    if problem:
        return RunReport(session.name, command, ready - begin, problem, services=_services(session))
    variables = environment(session.containers(all=False))
    code = run_command(command, {**os.environ, **variables, **_own_variables(session)})
    ended = time.monotonic()
    services = _services(session) if code != 0 or args.report else ()
    return RunReport(session.name, command, ready - begin, "", code, ended - ready, services)


def _set_up(session: Session, args: Namespace, base: str) -> str:
    """What went wrong, "" when the stack is ready."""
    from ...app.converge import converge
    from ...app.report import failure_report
    from ...app.session import require_services
    from ...plan.reconcile.options import UpOptions

    require_services(args.service, list(session.project.services))
    if args.snapshot:
        from ...app.snapshots import restore_into

        restore_into(session, base, args.snapshot)
    options = UpOptions(
        services=tuple(args.service),
        with_dependencies=not args.no_deps,
        wait=True,
        build=True if args.build else None,
        pull=pull_policy(args.pull),
    )
    result = converge(session, options, wait_timeout=args.wait_timeout)
    return failure_report(session, result) if result.failures else ""


def _own_variables(session: Session) -> dict[str, str]:
    """What makes `pycompose` within the command mean this stack."""
    variables = {"COMPOSE_PROJECT_NAME": session.name, "PYCOMPOSE_LEASE": session.engine.lease}
    if session.project.files:
        variables["COMPOSE_FILE"] = os.pathsep.join(session.project.files)
    if session.args.root:
        variables["PYCOMPOSE_ROOT"] = os.path.abspath(session.args.root)
    if session.args.host:
        variables["PYCOMPOSE_HOST"] = session.args.host
    return variables


def _services(session: Session) -> tuple[ServiceReport, ...]:
    from ...app.testreport import ServiceReport
    from ...labels import SERVICE
    from ...status import exit_code, health_word

    return tuple(
        ServiceReport(
            service=one["Labels"].get(SERVICE, ""),
            container=str((one.get("Names") or [one["Id"]])[0]).removeprefix("/"),
            state=str(one.get("State") or ""),
            health=health_word(str(one.get("Status") or "")),
            exit_code=exit_code(str(one.get("Status") or "")),
            logs=_logs(session, one["Id"]),
        )
        for one in session.containers()
    )


def _logs(session: Session, identity: str) -> str:
    from ...client.frames import demultiplex, raw
    from ...errors import EngineError

    try:
        tty = bool((session.engine.containers.inspect(identity).get("Config") or {}).get("Tty"))
        query: Query = {"stdout": 1, "stderr": 1, "tail": str(LINES)}
        with session.engine.containers.log_stream(identity, query) as response:
            data = b"".join(part for _, part in (raw if tty else demultiplex)(response.blocks()))
    except EngineError as error:
        return f"(no logs: {error})"
    return data.decode("utf-8", "replace")


def _tell(session: Session, args: Namespace, report: RunReport) -> None:
    from ...app.testreport import as_json, as_junit, as_text

    if report.failed:
        sys.stdout.flush()
        if report.services:
            print(as_text(report), file=sys.stderr)
        words = f"exit code {report.exit_code}" if not report.problem else f"the stack was not ready:\n{report.problem}"
        print(f"pycompose test: {words}", file=sys.stderr, flush=True)
    if args.report:
        name = args.report_file or f"pycompose-test.{'xml' if args.report == 'junit' else 'json'}"
        try:
            with open(name, "w", encoding="utf-8") as file:
                file.write(as_junit(report) if args.report == "junit" else as_json(report) + "\n")
        except OSError as error:
            print(f"pycompose test: cannot write {name}: {error.strerror}", file=sys.stderr)
