"""`pycompose ps`: the project's containers. Loads no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...labels import PROJECT, SERVICE
from ...status import exit_code, health_word
from ..flags.parser import FlagError, is_true
from ..session import Session
from ..show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.containers import ContainerRow
    from ..flags.parser import Parser

STATUSES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")

COLUMNS = (
    ("NAME", "Name"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("SERVICE", "Service"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
)


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag(
        "-a",
        "--all",
        action="store_true",
        help="Show all stopped containers (including those created by the run command)",
    )
    flag("--filter", action="append", default=[], metavar="PROPERTY", help="Filter services by a property (status=...)")
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("--no-trunc", action="store_true", help="Don't truncate output")
    flag("--no-orphans", action="store_true", help="Exclude orphaned services (not declared by project)")
    flag(
        "--orphans",
        nargs="?",
        const=True,
        default=True,
        type=is_true,
        metavar="true|false",
        help="Include orphaned services (not declared by project)",
    )
    flag("-q", "--quiet", action="store_true", help="Only display IDs")
    flag("--services", action="store_true", help="Display services")
    flag(
        "--status",
        action="append",
        default=[],
        metavar="STATUS",
        help=f"Filter services by status: {', '.join(STATUSES)}",
    )
    parser.add_argument("services_", nargs="*", metavar="SERVICE")


def row(container: ContainerRow, *, truncate: bool = True) -> format.Row:
    """One container of the listing with the keys of Docker Compose's JSON; ``_labels`` is for templates."""
    labels = container.get("Labels") or {}
    status = str(container.get("Status") or "")
    command = str(container.get("Command") or "")
    name = str((container.get("Names") or [""])[0]).removeprefix("/")
    mounts = [str(one.get("Name") or one.get("Source") or "") for one in container.get("Mounts") or ()]
    return {
        "Command": f'"{format.shorten(command, 20) if truncate else command}"',
        "CreatedAt": _moment(int(container.get("Created") or 0)),
        "ExitCode": exit_code(status) or 0,
        "Health": health_word(status),
        "ID": container["Id"][:12] if truncate else container["Id"],
        "Image": _image(str(container.get("Image") or ""), truncate=truncate),
        "Labels": ",".join(f"{key}={value}" for key, value in labels.items()),
        "LocalVolumes": str(sum(1 for one in container.get("Mounts") or () if one.get("Driver") == "local")),
        "Mounts": ",".join(format.shorten(one, 15) if truncate else one for one in mounts),
        "Name": name,
        "Names": name,
        "Networks": ",".join((container.get("NetworkSettings") or {}).get("Networks") or ()),
        "Ports": format.ports(container.get("Ports") or ()),
        "Project": labels.get(PROJECT, ""),
        "Publishers": publishers(container),
        "RunningFor": format.ago(float(container.get("Created") or 0)),
        "Service": labels.get(SERVICE, ""),
        "Size": "0B",
        "State": container.get("State") or "",
        "Status": status,
        "_labels": labels,
    }


def _image(name: str, *, truncate: bool) -> str:
    """The image's name; of one that has lost its name the short id."""
    return name.removeprefix("sha256:")[:12] if truncate and name.startswith("sha256:") else name


class Publisher(dict[str, str | int]):
    """A published port; in templates it reads like the structure that it is in Docker Compose."""

    def __str__(self) -> str:
        return f"{{{self['URL']} {self['TargetPort']} {self['PublishedPort']} {self['Protocol']}}}"


def publishers(container: ContainerRow) -> list[Publisher]:
    found = sorted(
        (one["PrivatePort"], one.get("Type") or "tcp", one.get("IP") or "", one.get("PublicPort") or 0)
        for one in container.get("Ports") or ()
    )
    return [
        Publisher(URL=address, TargetPort=private, PublishedPort=public, Protocol=protocol)
        for private, protocol, address, public in found
    ]


def _moment(seconds: int) -> str:
    import time

    offset = time.strftime("%z %Z", time.localtime(seconds))
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))} {offset}"


def wanted_statuses(args: Namespace) -> list[str]:
    statuses = list(args.status)
    for item in args.filter[-1:]:
        key, equals, value = item.partition("=")
        if not equals:
            raise FlagError("arguments to --filter should be in form KEY=VAL")
        if key == "source":
            raise FlagError("not implemented")
        if key != "status":
            raise FlagError(f"unknown filter {key}")
        statuses.append(value)
    for status in statuses:
        if status not in STATUSES:
            from ...load.suggest import nearest

            hint = nearest(status, STATUSES) or f"one of {', '.join(STATUSES)}"
            raise FlagError(f'unknown status "{status}" ({hint})')
    return statuses


def run(args: Namespace) -> int:
    session = Session(args)
    statuses = wanted_statuses(args)
    everything = args.all or bool(statuses)
    found = session.containers(args.services_, all=everything, oneoff=args.all)
    if args.services_:
        known = {one["Labels"].get(SERVICE, "") for one in session.containers(oneoff=True)}
        if session.identity.files and not set(args.services_) <= known:
            from ...app.session import require_services

            require_services(args.services_, [*session.project.services, *session.project.disabled_services, *known])
    if statuses:
        found = [one for one in found if one["State"] in statuses]
    if (args.no_orphans or not args.orphans) and session.identity.files:
        found = [one for one in found if one["Labels"].get(SERVICE, "") in session.project.services]
    if args.quiet:
        for one in found:
            print(one["Id"])
        return 0
    if args.services:
        for name in dict.fromkeys(one["Labels"].get(SERVICE, "") for one in found):
            print(name)
        return 0
    found.sort(key=lambda one: str((one.get("Names") or [""])[0]))
    text = format.show(args.format, [row(one, truncate=not args.no_trunc) for one in found], COLUMNS)
    if text:
        print(text)
    return 0
