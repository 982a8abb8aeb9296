"""`pycompose run`: a one-off command in a container of its own, made like the service's; its exit code is ours."""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial
from typing import TYPE_CHECKING

from ...app.session import require_services
from ..flags.pulling import pull_policy
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...app.oneoff import OneOffOptions
    from ...model.service import Port
    from ..flags.parser import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--build", action="store_true", help="Build image before starting container")
    flag("--cap-add", action="append", default=[], metavar="CAP", help="Add Linux capabilities")
    flag("--cap-drop", action="append", default=[], metavar="CAP", help="Drop Linux capabilities")
    flag("-d", "--detach", action="store_true", help="Run container in background and print container ID")
    flag("--entrypoint", metavar="COMMAND", help="Override the entrypoint of the image")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag("--env-from-file", action="append", default=[], metavar="FILE", help="Set environment variables from file")
    flag("-i", "--interactive", action="store_true", default=True, help="Keep STDIN open even if not attached")
    flag("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="Add or override a label")
    flag("--name", metavar="NAME", help="Assign a name to the container")
    flag("-T", "--no-TTY", "--no-tty", action="store_true", dest="no_tty", help="Disable pseudo-TTY allocation")
    flag("-t", "--tty", action="store_true", help="Allocate a pseudo-TTY (default where there is a terminal)")
    flag("--no-deps", action="store_true", help="Don't start linked services")
    flag(
        "-p", "--publish", action="append", default=[], metavar="PORT", help="Publish a container's port(s) to the host"
    )
    flag("--pull", metavar="POLICY", help='Pull image before running ("always"|"missing"|"never")')
    flag("-q", "--quiet", action="store_true", help="Don't print anything but the command's own output")
    flag("--quiet-build", action="store_true", help="Suppress the build output")
    flag("--quiet-pull", action="store_true", help="Pull without printing progress information")
    flag("--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file")
    flag("--rm", action="store_true", help="Automatically remove the container when it exits")
    flag(
        "-P",
        "--service-ports",
        action="store_true",
        help="Run command with all service's ports enabled and mapped to the host",
    )
    flag(
        "--use-aliases",
        action="store_true",
        help="Use the service's network aliases in the network(s) the container connects to",
    )
    flag("-u", "--user", metavar="USER", help="Run as specified username or uid")
    flag("-v", "--volume", action="append", default=[], metavar="VOLUME", help="Bind mount a volume")
    flag("-w", "--workdir", metavar="DIR", help="Working directory inside the container")
    flag("--labels", action="append", dest="label", help=argparse.SUPPRESS)
    flag("--volumes", action="append", dest="volume", help=argparse.SUPPRESS)
    parser.add_argument("service")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def one_off_options(args: Namespace) -> OneOffOptions:
    """What the flags say. Raises `FlagError`."""
    import os

    from ....grammar.ports import parse as parse_ports
    from ...app.oneoff import OneOffOptions
    from ...shortforms import parse_volume, split_command
    from ..flags.parser import FlagError

    try:
        ports: list[Port] = [
            {"target": one.target, "published": one.published, "protocol": one.protocol, "host_ip": one.host_ip}
            for text in args.publish
            for one in parse_ports(text)
        ]
        volumes = [parse_volume(text) for text in args.volume]
        entrypoint = None if args.entrypoint is None else tuple(split_command(args.entrypoint))
    except ValueError as error:
        raise FlagError(str(error)) from None
    if args.service_ports and args.publish:
        raise FlagError("--service-ports and --publish are incompatible")
    for text in args.label:
        if "=" not in text:
            raise FlagError(f"label must be set as KEY=VALUE: {text}")
    environment: dict[str, str | None] = {}
    for path in args.env_from_file:
        environment |= env_file(path)
    for item in args.env:
        key, equals, value = item.partition("=")
        environment[key] = value if equals else os.environ.get(key)
    return OneOffOptions(
        command=tuple(args.command),
        entrypoint=entrypoint,
        environment=environment,
        labels=dict(text.split("=", 1) for text in args.label),
        ports=tuple(ports),
        volumes=tuple(volumes),
        cap_add=tuple(args.cap_add),
        cap_drop=tuple(args.cap_drop),
        user=args.user,
        working_dir=args.workdir,
        service_ports=args.service_ports,
        use_aliases=args.use_aliases,
        dependencies=not args.no_deps,
        remove_orphans=args.remove_orphans,
        build=args.build,
        pull=pull_policy(args.pull),
        quiet_pull=args.quiet_pull,
        quiet_build=args.quiet_build,
    )


def env_file(path: str) -> dict[str, str | None]:
    """``KEY=VALUE`` lines, taken literally; a bare KEY takes this process's value."""
    import os

    from ... import files
    from ...errors import OperationError

    result: dict[str, str | None] = {}
    try:
        for line in files.text(path).splitlines():
            text = line.strip()
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                result[key.strip()] = value if equals else os.environ.get(key)
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return result


def run(args: Namespace) -> int:
    from ...app.converge import check_supported
    from ...app.oneoff import Attachment, create, in_terms_of_the_file, overridden, prepare_world, stop_grace
    from ...errors import OperationError

    session = Session(args)
    if args.quiet:
        args.progress = "quiet"
        args.quiet_pull = args.quiet_build = True
    project = session.project
    require_services([args.service], [*project.services, *project.jobs])
    if args.service in project.jobs and session.engine.is_pycompose:
        from ..jobs import run_job

        return run_job(session, args, args.service, one_off_options(args))
    if args.service in project.jobs:
        print(f"warning: job {args.service} leaves no record: only pycompose's own engine keeps jobs", file=sys.stderr)
        project = session.project = project.with_jobs(args.service)
    check_supported(project, session)
    options = one_off_options(args)
    world = prepare_world(session, args.service, options)
    slug = secrets.token_hex(6)
    if args.tty and args.interactive and not sys.stdin.isatty():
        raise OperationError("the input device is not a TTY")
    tty = not args.no_tty and (args.tty or (sys.stdin.isatty() and sys.stdout.isatty()))
    name = args.name or f"{project.name}-{args.service}-run-{slug}"
    if args.dry_run:
        if not args.detach:
            raise OperationError("interactive run is not supported in dry-run mode")
        print(name)
        return 0
    console = None
    if tty:
        from .exec import console_size

        console = console_size()
    how = Attachment(name, slug, tty=tty, stdin=args.interactive, auto_remove=args.rm, console=console)
    engine = session.engine
    with in_terms_of_the_file(session, args.service, options):
        identity = create(session, world, args.service, options, how)
        if args.detach:
            engine.containers.start(identity)
            print(identity)
            return 0
        from ..streams.interactive import Interaction, attach_and_run

        return attach_and_run(
            engine,
            identity,
            Interaction(
                stdin=args.interactive,
                removes_itself=args.rm,
                grace=stop_grace(overridden(project, args.service, options)),
            ),
            partial(engine.containers.start, identity),
        )
