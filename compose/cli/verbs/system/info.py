"""`pycompose system info`: what the engine is, has and can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .....grammar import sizes
from ...flags.parser import FlagError
from ...session import Session
from ...show import legible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

    from ....client.bodies.system import Info
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--format", metavar="FORMAT", help="json or TEMPLATE")


def run(args: Namespace) -> int:
    from .....version import __version__

    engine = Session(args).engine
    info = engine.system.info()
    client = {"Debug": False, "Version": __version__, "Context": "default", "Plugins": []}
    shown = {**info, "ClientInfo": client}
    if not args.format:
        print(
            "\n".join(["Client:", f" Version:    {__version__}", "", "Server:", *(f" {line}" for line in lines(info))])
        )
        for warning in info.get("Warnings") or ():
            import sys

            print(warning, file=sys.stderr)
        return 0
    if args.format == "json":
        print(legible.json(json.dumps(shown, separators=(",", ":"), ensure_ascii=False)))
        return 0
    from ...show.absent import absent
    from ...show.gotemplate import Template, TemplateError

    try:
        print(Template(args.format, absent).render(shown))
    except TemplateError as error:
        raise FlagError(f"template parsing error: {error}") from None
    return 0


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def lines(info: Info) -> Iterator[str]:
    """The server's part, as the docker CLI writes it; what the engine does not say is left out."""
    yield f"Containers: {info.get('Containers', 0)}"
    yield f" Running: {info.get('ContainersRunning', 0)}"
    yield f" Paused: {info.get('ContainersPaused', 0)}"
    yield f" Stopped: {info.get('ContainersStopped', 0)}"
    yield f"Images: {info.get('Images', 0)}"
    yield from _named(info, (("Server Version", "ServerVersion"), ("Storage Driver", "Driver")))
    for key, value in info.get("DriverStatus") or ():
        yield f" {key}: {value}"
    yield from _named(
        info,
        (("Logging Driver", "LoggingDriver"), ("Cgroup Driver", "CgroupDriver"), ("Cgroup Version", "CgroupVersion")),
    )
    plugins = info.get("Plugins") or {}
    if plugins:
        yield "Plugins:"
        for word in ("Volume", "Network", "Authorization", "Log"):
            if names := plugins.get(word):
                yield f" {word}: {' '.join(names)}"
    swarm = (info.get("Swarm") or {}).get("LocalNodeState")
    if swarm:
        yield f"Swarm: {swarm}"
    if runtimes := info.get("Runtimes"):
        yield f"Runtimes: {' '.join(runtimes)}"
        yield f"Default Runtime: {info.get('DefaultRuntime', '')}"
    yield from _named(info, (("Init Binary", "InitBinary"),))
    options = info.get("SecurityOptions") or ()
    if options:
        yield "Security Options:"
        for option in options:
            fields = dict(item.partition("=")[::2] for item in option.split(","))
            yield f" {fields.pop('name', option)}"
            for key, value in fields.items():
                yield f"  {key.capitalize()}: {value}"
    yield from _named(
        info,
        (
            ("Kernel Version", "KernelVersion"),
            ("Operating System", "OperatingSystem"),
            ("OSType", "OSType"),
            ("Architecture", "Architecture"),
            ("CPUs", "NCPU"),
        ),
    )
    yield f"Total Memory: {sizes.binary(float(info.get('MemTotal') or 0))}"
    yield from _named(
        info,
        (
            ("Name", "Name"),
            ("ID", "ID"),
            ("Docker Root Dir", "DockerRootDir"),
            ("Debug Mode", "Debug"),
            ("HTTP Proxy", "HttpProxy"),
            ("HTTPS Proxy", "HttpsProxy"),
            ("No Proxy", "NoProxy"),
        ),
    )
    if labels := info.get("Labels"):
        yield "Labels:"
        yield from (f" {label}" for label in labels)
    yield from _named(info, (("Experimental", "ExperimentalBuild"),))
    registries = (info.get("RegistryConfig") or {}).get("InsecureRegistryCIDRs")
    if registries:
        yield "Insecure Registries:"
        yield from (f" {one}" for one in registries)
    yield from _named(info, (("Live Restore Enabled", "LiveRestoreEnabled"),))


def _named(info: Mapping[str, object], names: tuple[tuple[str, str], ...]) -> Iterator[str]:
    return (f"{title}: {_word(info[key])}" for title, key in names if info.get(key) not in (None, ""))
