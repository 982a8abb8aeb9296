"""The flags of `container run` and `create`, and the creation itself, with its pull."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .....grammar import durations, references, sizes, sysctls
from ....errors import OperationError
from .endpoints import network
from .limits import add_limit_flags
from .storage import gpus, mount
from .values import address, device_rule, extra_host, standard_stream, ulimit, variable, whole

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from ....client import Engine
    from ...flags.parser import Parser

NOTHING_RUNS = 125
"""The exit code of `run` and `create` when it is not the container that failed."""


class NotRun(OperationError):
    exit_code = NOTHING_RUNS


_TEXT = {
    "--cgroup-parent": "Optional parent cgroup for the container",
    "--cgroupns": "Cgroup namespace to use (host|private)",
    "--cidfile": "Write the container ID to the file",
    "--domainname": "Container NIS domain name",
    "--entrypoint": "Overwrite the default ENTRYPOINT of the image",
    "--health-cmd": "Command to run to check health",
    "--ip": "IPv4 address (e.g., 172.30.100.104)",
    "--ip6": "IPv6 address (e.g., 2001:db8::33)",
    "--ipc": "IPC mode to use",
    "--isolation": "Container isolation technology",
    "--log-driver": "Logging driver for the container",
    "--mac-address": "Container MAC address (e.g., 92:d0:c6:0a:29:33)",
    "--name": "Assign a name to the container",
    "--pid": "PID namespace to use",
    "--platform": "Set platform if server is multi-platform capable",
    "--runtime": "Runtime to use for this container",
    "--stop-signal": "Signal to stop the container",
    "--userns": "User namespace to use",
    "--uts": "UTS namespace to use",
    "--volume-driver": "Optional volume driver for the container",
}
_SHORT_TEXT: dict[tuple[str, ...], str] = {
    ("-h", "--hostname"): "Container host name",
    ("-u", "--user"): "Username or UID (format: <name|uid>[:<group|gid>])",
    ("-w", "--workdir"): "Working directory inside the container",
}
_LISTS: dict[tuple[str, ...], tuple[Callable[[str], object], str]] = {
    ("--add-host",): (extra_host, "Add a custom host-to-IP mapping (host:ip)"),
    ("--annotation",): (str, "Add an annotation to the container (passed through to the OCI runtime)"),
    ("-a", "--attach"): (standard_stream, "Attach to STDIN, STDOUT or STDERR"),
    ("--cap-add",): (str, "Add Linux capabilities"),
    ("--cap-drop",): (str, "Drop Linux capabilities"),
    ("--device",): (str, "Add a host device to the container"),
    ("--device-cgroup-rule",): (device_rule, "Add a rule to the cgroup allowed devices list"),
    ("--dns",): (address, "Set custom DNS servers"),
    ("--dns-option", "--dns-opt"): (str, "Set DNS options"),
    ("--dns-search",): (str, "Set custom DNS search domains"),
    ("-e", "--env"): (variable, "Set environment variables"),
    ("--expose",): (str, "Expose a port or a range of ports"),
    ("--gpus",): (gpus, "GPU devices to add to the container ('all' to pass all GPUs)"),
    ("--group-add",): (str, "Add additional groups to join"),
    ("-l", "--label"): (str, "Set meta data on a container"),
    ("--label-file",): (str, "Read in a line delimited file of labels"),
    ("--link",): (str, "Add link to another container"),
    ("--link-local-ip",): (address, "Container IPv4/IPv6 link-local addresses"),
    ("--log-opt",): (str, "Log driver options"),
    ("--mount",): (mount, "Attach a filesystem mount to the container"),
    ("--network", "--net"): (network, "Connect a container to a network"),
    ("--network-alias", "--net-alias"): (str, "Add network-scoped alias for the container"),
    ("-p", "--publish"): (str, "Publish a container's port(s) to the host"),
    ("--security-opt",): (str, "Security Options"),
    ("--storage-opt",): (str, "Storage driver options for the container"),
    ("--sysctl",): (sysctls.check_flag, "Sysctl options"),
    ("--tmpfs",): (str, "Mount a tmpfs directory"),
    ("--ulimit",): (ulimit, "Ulimit options"),
    ("-v", "--volume"): (str, "Bind mount a volume"),
    ("--volumes-from",): (str, "Mount volumes from the specified container(s)"),
}
_SWITCHES: dict[tuple[str, ...], str] = {
    ("--init",): "Run an init inside the container that forwards signals and reaps processes",
    ("-i", "--interactive"): "Keep STDIN open even if not attached",
    ("--no-healthcheck",): "Disable any container-specified HEALTHCHECK",
    ("--privileged",): "Give extended privileges to this container",
    ("-P", "--publish-all"): "Publish all exposed ports to random ports",
    ("-q", "--quiet"): "Suppress the pull output",
    ("--read-only",): "Mount the container's root filesystem as read only",
    ("--rm",): "Automatically remove the container and its anonymous volumes when it exits",
    ("-t", "--tty"): "Allocate a pseudo-TTY",
    ("--disable-content-trust",): "Skip image verification (always: content trust is not offered)",
}
_SPANS = {
    "--health-interval": "Time between running the check (ms|s|m|h) (default 0s)",
    "--health-start-interval": "Time between running the check during the start period",
    "--health-start-period": "Start period for the container to initialize before starting health-retries countdown",
    "--health-timeout": "Maximum time to allow one check to run",
}


def add_container_flags(parser: Parser) -> None:
    flag = parser.add_argument
    for name, text in _TEXT.items():
        flag(name, metavar=name.rpartition("-")[2].upper(), help=text)
    for names, text in _SHORT_TEXT.items():
        flag(*names, metavar=names[-1].removeprefix("--").upper(), help=text)
    for names, (kind, text) in _LISTS.items():
        flag(*names, type=kind, action="append", default=[], metavar=names[-1].rpartition("-")[2].upper(), help=text)
    for names, text in _SWITCHES.items():
        flag(*names, action="store_true", help=text)
    for name, text in _SPANS.items():
        flag(name, type=durations.parse, default=0, metavar="DURATION", help=text)
    flag(
        "--env-file",
        dest="container_env_file",
        action="append",
        default=[],
        metavar="FILE",
        help="Read in a file of environment variables",
    )
    flag("--health-retries", type=whole, default=0, metavar="N", help="Consecutive failures needed to report unhealthy")
    flag("--oom-score-adj", type=whole, default=0, metavar="N", help="Tune host's OOM preferences (-1000 to 1000)")
    flag("--pull", default="missing", metavar="POLICY", help='Pull image before running ("always", "missing", "never")')
    flag("--restart", default="no", metavar="POLICY", help="Restart policy to apply when a container exits")
    flag("--shm-size", type=sizes.parse, default=0, metavar="BYTES", help="Size of /dev/shm")
    flag("--stop-timeout", type=whole, metavar="SECONDS", help="Timeout (in seconds) to stop a container")
    add_limit_flags(parser)
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def refusal(verb: str, message: object) -> NotRun:
    """docker's form for everything that keeps `run` and `create` from making a container."""
    return NotRun(f"pycompose: {message}.\nSee 'pycompose container {verb} --help'.")


def create(engine: Engine, args: Namespace, verb: str, **changes: object) -> str:
    """Create the container, pulling its image where the policy says so; its id. ``changes`` replace fields of the body."""
    from ....client import NotFound
    from ....credentials import docker_config
    from .request import create_request

    if args.pull not in ("always", "missing", "never"):
        raise refusal(verb, f'invalid pull option: \'{args.pull}\': must be one of "always", "missing" or "never"')
    try:
        if not args.image.startswith("sha256:"):
            references.parse(args.image)
        proxies = docker_config.proxies(docker_config.read(), str(engine.endpoint.address))
        request = create_request(args, engine.version, proxies)
    except ValueError as error:
        raise refusal(verb, error) from None
    request.body.update(changes)
    if args.cidfile and os.path.exists(args.cidfile):
        message = f"container ID file found, make sure the other container isn't running or delete {args.cidfile}"
        raise refusal(verb, message) if verb == "run" else OperationError(message)
    if args.pull == "always":
        _pull(engine, args, request.platform)
    try:
        answer = engine.containers.create(request.body, request.name or None, request.platform)
    except NotFound as error:
        if args.pull != "missing" or "no such image" not in str(error).lower():
            raise
        if not args.quiet:
            print(f"Unable to find image '{tagged(args.image)}' locally", file=sys.stderr)
        _pull(engine, args, request.platform)
        answer = engine.containers.create(request.body, request.name or None, request.platform)
    for warning in answer.get("Warnings") or ():
        print(f"WARNING: {warning}", file=sys.stderr)
    identity = str(answer["Id"])
    for name, settings in request.connect:
        engine.networks.connect(name, identity, settings)
    if args.cidfile:
        try:
            with open(args.cidfile, "x", encoding="utf-8") as file:
                file.write(identity)
        except OSError as error:
            raise NotRun(f"failed to create the container ID file: {args.cidfile}: {error.strerror}") from error
    return identity


def tagged(image: str) -> str:
    """``image`` with the tag that is meant when none is written."""
    return image if "@" in image else ":".join(references.split_version(image))


def _pull(engine: Engine, args: Namespace, platform: str) -> None:
    from ....credentials.lookup import registry_auth
    from ...show.transfer import show_lines

    lines = engine.images.pull(args.image, platform=platform, auth=registry_auth(args.image))
    show_lines(lines, quiet=args.quiet, out=sys.stderr)
