"""The flags of `container run` and `create`, as a service: they say the same things as a Compose file does."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...convert.container import Facts, create_request
from ...convert.values import pairs
from ...model import Project
from ...units import parse_device, parse_ports, parse_volume, split_command
from ..flags import FlagError, integer
from ..run import env_file

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client import Engine
    from ...convert.container import CreateRequest
    from ..flags import Parser

PREDEFINED = ("bridge", "host", "none", "default")

_TEXT = {
    "--cgroup-parent": ("cgroup_parent", "Optional parent cgroup for the container"),
    "--cgroupns": ("cgroup", "Cgroup namespace to use (host|private)"),
    "--cpu-shares": ("cpu_shares", "CPU shares (relative weight)"),
    "--cpu-period": ("cpu_period", "Limit CPU CFS period"),
    "--cpu-quota": ("cpu_quota", "Limit CPU CFS quota"),
    "--cpus": ("cpus", "Number of CPUs"),
    "--cpuset-cpus": ("cpuset", "CPUs in which to allow execution (0-3, 0,1)"),
    "--domainname": ("domainname", "Container NIS domain name"),
    "--ipc": ("ipc", "IPC mode to use"),
    "--isolation": ("isolation", "Container isolation technology"),
    "--mac-address": ("mac_address", "Container MAC address"),
    "--memory-reservation": ("mem_reservation", "Memory soft limit"),
    "--memory-swap": ("memswap_limit", "Swap limit equal to memory plus swap"),
    "--memory-swappiness": ("mem_swappiness", "Tune container memory swappiness (0 to 100)"),
    "--oom-score-adj": ("oom_score_adj", "Tune host's OOM preferences (-1000 to 1000)"),
    "--pid": ("pid", "PID namespace to use"),
    "--pids-limit": ("pids_limit", "Tune container pids limit"),
    "--platform": ("platform", "Set platform if server is multi-platform capable"),
    "--restart": ("restart", "Restart policy to apply when a container exits"),
    "--runtime": ("runtime", "Runtime to use for this container"),
    "--shm-size": ("shm_size", "Size of /dev/shm"),
    "--stop-signal": ("stop_signal", "Signal to stop the container"),
    "--userns": ("userns_mode", "User namespace to use"),
    "--uts": ("uts", "UTS namespace to use"),
    "--volume-driver": ("volume_driver", "Optional volume driver for the container"),
}
_LISTS = {
    "--cap-add": ("cap_add", "Add Linux capabilities"),
    "--cap-drop": ("cap_drop", "Drop Linux capabilities"),
    "--device-cgroup-rule": ("device_cgroup_rules", "Add a rule to the cgroup allowed devices list"),
    "--dns": ("dns", "Set custom DNS servers"),
    "--dns-option": ("dns_opt", "Set DNS options"),
    "--dns-search": ("dns_search", "Set custom DNS search domains"),
    "--expose": ("expose", "Expose a port or a range of ports"),
    "--group-add": ("group_add", "Add additional groups to join"),
    "--link": ("external_links", "Add link to another container"),
    "--security-opt": ("security_opt", "Security Options"),
    "--tmpfs": ("tmpfs", "Mount a tmpfs directory"),
}
_SWITCHES = {
    "--init": ("init", "Run an init inside the container that forwards signals and reaps processes"),
    "--oom-kill-disable": ("oom_kill_disable", "Disable OOM Killer"),
    "--privileged": ("privileged", "Give extended privileges to this container"),
    "--read-only": ("read_only", "Mount the container's root filesystem as read only"),
}
_MAPS = {
    "--annotation": ("annotations", "Add an annotation to the container"),
    "--storage-opt": ("storage_opt", "Storage driver options for the container"),
    "--sysctl": ("sysctls", "Sysctl options"),
}


def add_container_flags(parser: Parser) -> None:
    flag = parser.add_argument
    for name, (dest, text) in _TEXT.items():
        flag(name, dest=f"svc_{dest}", metavar="VALUE", help=text)
    for name, (dest, text) in _LISTS.items():
        flag(name, dest=f"svc_{dest}", action="append", default=[], metavar="VALUE", help=text)
    for name, (dest, text) in _SWITCHES.items():
        flag(name, dest=f"svc_{dest}", action="store_true", help=text)
    for name, (dest, text) in _MAPS.items():
        flag(name, dest=f"svc_{dest}", action="append", default=[], metavar="KEY=VALUE", help=text)
    flag("--add-host", action="append", default=[], metavar="HOST:IP", help="Add a custom host-to-IP mapping")
    flag("--cidfile", metavar="FILE", help="Write the container ID to the file")
    flag("--device", action="append", default=[], metavar="DEVICE", help="Add a host device to the container")
    flag("--entrypoint", metavar="COMMAND", help="Overwrite the default ENTRYPOINT of the image")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag(
        "--env-file",
        dest="container_env_file",
        action="append",
        default=[],
        metavar="FILE",
        help="Read in a file of environment variables",
    )
    flag("--gpus", metavar="REQUEST", help="GPU devices to add to the container ('all' to pass all GPUs)")
    flag("--health-cmd", metavar="COMMAND", help="Command to run to check health")
    flag("--health-interval", metavar="DURATION", help="Time between running the check")
    flag("--health-retries", type=integer, metavar="N", help="Consecutive failures needed to report unhealthy")
    flag("--health-start-interval", metavar="DURATION", help="Time between running the check during the start period")
    flag("--health-start-period", metavar="DURATION", help="Start period for the container to initialize")
    flag("--health-timeout", metavar="DURATION", help="Maximum time to allow one check to run")
    flag("-h", "--hostname", metavar="NAME", help="Container host name")
    flag("-i", "--interactive", action="store_true", help="Keep STDIN open even if not attached")
    flag("--ip", metavar="IP", help="IPv4 address (e.g., 172.30.100.104)")
    flag("--ip6", metavar="IP", help="IPv6 address (e.g., 2001:db8::33)")
    flag("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="Set meta data on a container")
    flag("--log-driver", metavar="DRIVER", help="Logging driver for the container")
    flag("--log-opt", action="append", default=[], metavar="KEY=VALUE", help="Log driver options")
    flag("-m", "--memory", metavar="BYTES", help="Memory limit")
    flag("--mount", action="append", default=[], metavar="MOUNT", help="Attach a filesystem mount to the container")
    flag("--name", metavar="NAME", help="Assign a name to the container")
    flag("--network", "--net", action="append", default=[], metavar="NETWORK", help="Connect a container to a network")
    flag(
        "--network-alias",
        action="append",
        default=[],
        metavar="NAME",
        help="Add network-scoped alias for the container",
    )
    flag("--no-healthcheck", action="store_true", help="Disable any container-specified HEALTHCHECK")
    flag(
        "-p", "--publish", action="append", default=[], metavar="PORT", help="Publish a container's port(s) to the host"
    )
    flag("-P", "--publish-all", action="store_true", help="Publish all exposed ports to random ports")
    flag("--pull", default="missing", metavar="POLICY", help='Pull image before running ("always", "missing", "never")')
    flag("--rm", action="store_true", help="Automatically remove the container when it exits")
    flag("--stop-timeout", type=integer, metavar="SECONDS", help="Timeout to stop a container")
    flag("-t", "--tty", action="store_true", help="Allocate a pseudo-TTY")
    flag("--ulimit", action="append", default=[], metavar="NAME=SOFT[:HARD]", help="Ulimit options")
    flag("-u", "--user", metavar="USER", help="Username or UID (format: <name|uid>[:<group|gid>])")
    flag("-v", "--volume", action="append", default=[], metavar="VOLUME", help="Bind mount a volume")
    flag(
        "--volumes-from",
        action="append",
        default=[],
        metavar="CONTAINER",
        help="Mount volumes from the specified container(s)",
    )
    flag("-w", "--workdir", metavar="DIR", help="Working directory inside the container")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def service_from(args: Namespace) -> dict[str, Any]:
    """The flags as a service in canonical form. Raises `FlagError`."""
    service: dict[str, Any] = {"image": args.image}
    for table in (_TEXT, _LISTS, _SWITCHES):
        for dest, _ in table.values():
            value = getattr(args, f"svc_{dest}")
            if value:
                service[dest] = value
    for dest, _ in _MAPS.values():
        if getattr(args, f"svc_{dest}"):
            service[dest] = pairs(getattr(args, f"svc_{dest}"))
    plain = {
        "mem_limit": args.memory,
        "hostname": args.hostname,
        "user": args.user,
        "working_dir": args.workdir,
        "gpus": args.gpus,
    }
    service |= {dest: value for dest, value in plain.items() if value is not None}
    try:
        service |= _structured(args)
    except (ValueError, KeyError) as error:
        raise FlagError(str(error)) from None
    return service


def _structured(args: Namespace) -> dict[str, Any]:
    service: dict[str, Any] = {}
    if args.command:
        service["command"] = list(args.command)
    if args.entrypoint is not None:
        service["entrypoint"] = split_command(args.entrypoint)
    environment: dict[str, str | None] = {}
    for path in args.container_env_file:
        environment |= env_file(path)
    for item in args.env:
        key, equals, value = item.partition("=")
        if equals or key in os.environ:
            environment[key] = value if equals else os.environ[key]
    service["environment"] = environment
    service["labels"] = pairs(args.label)
    service["ports"] = [
        {"target": one.target, "published": one.published, "protocol": one.protocol, "host_ip": one.host_ip}
        for text in args.publish
        for one in parse_ports(text)
    ]
    volumes = [parse_volume(text) for text in args.volume]
    for one in volumes:
        if one.get("type") == "bind":
            one["source"] = os.path.abspath(os.path.expanduser(one["source"]))
            one["bind"] = {"create_host_path": True, **(one.get("bind") or {})}
    service["volumes"] = volumes + [_mount(text) for text in args.mount]
    service["devices"] = [parse_device(text) for text in args.device]
    service["ulimits"] = dict(_ulimit(text) for text in args.ulimit)
    service["extra_hosts"] = [text.replace("=", ":", 1) if "=" in text else text for text in args.add_host]
    service["volumes_from"] = [f"container:{text}" for text in args.volumes_from]
    if args.log_driver or args.log_opt:
        service["logging"] = {"driver": args.log_driver or "", "options": pairs(args.log_opt)}
    if args.stop_timeout is not None:
        service["stop_grace_period"] = f"{args.stop_timeout}s"
    health = {
        "test": ["CMD-SHELL", args.health_cmd] if args.health_cmd else None,
        "interval": args.health_interval,
        "timeout": args.health_timeout,
        "retries": args.health_retries,
        "start_period": args.health_start_period,
        "start_interval": args.health_start_interval,
    }
    if args.no_healthcheck:
        service["healthcheck"] = {"disable": True}
    elif any(value is not None for value in health.values()):
        service["healthcheck"] = {key: value for key, value in health.items() if value is not None}
    return service


def _ulimit(text: str) -> tuple[str, dict[str, int]]:
    name, equals, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    if not equals or not soft.lstrip("-").isdigit():
        raise ValueError(f"invalid ulimit argument: {text}")
    return name, {"soft": int(soft), "hard": int(hard or soft)}


def _mount(text: str) -> dict[str, Any]:
    """``--mount type=bind,source=…,target=…,readonly`` as a long-form volume."""
    fields = {
        key.strip().lower(): (value if equals else "true")
        for key, equals, value in (item.partition("=") for item in text.split(","))
    }
    kind = fields.get("type", "volume")
    target = fields.get("target") or fields.get("dst") or fields.get("destination")
    if not target:
        raise ValueError(f"invalid argument {text!r} for --mount: target is required")
    volume: dict[str, Any] = {"type": kind, "target": target}
    source = fields.get("source") or fields.get("src")
    if source:
        volume["source"] = os.path.abspath(source) if kind == "bind" else source
    if fields.get("readonly", fields.get("ro", "false")).lower() in ("true", "1"):
        volume["read_only"] = True
    if kind == "bind" and fields.get("bind-propagation"):
        volume["bind"] = {"propagation": fields["bind-propagation"]}
    if kind == "tmpfs":
        volume["tmpfs"] = {
            key: value
            for key, value in (("size", fields.get("tmpfs-size")), ("mode", fields.get("tmpfs-mode")))
            if value
        }
    if kind == "volume":
        volume["volume"] = {
            key: value
            for key, value in (
                ("nocopy", fields.get("volume-nocopy") == "true"),
                ("subpath", fields.get("volume-subpath")),
            )
            if value
        }
    return volume


def request_from(engine: Engine, args: Namespace) -> CreateRequest:
    """The create request for these flags: a service without its project's labels and aliases."""
    service = service_from(args)
    names = [text.partition(",")[0].removeprefix("name=") for text in args.network]
    special = next((name for name in names if name in PREDEFINED or name.startswith("container:")), None)
    if special is not None:
        service["network_mode"] = special
    elif names:
        addresses = {key: value for key, value in (("ipv4_address", args.ip), ("ipv6_address", args.ip6)) if value}
        service["networks"] = {
            name: {"aliases": list(args.network_alias), **(addresses if index == 0 else {}), "priority": -index}
            for index, name in enumerate(names)
        }
    project = Project(
        name="",
        directory=Path.cwd(),
        files=(),
        services={"container": service},
        networks={name: {"name": name, "external": True} for name in names},
        environment=dict(os.environ),
    )
    request = create_request(project, "container", 1, Facts(api=engine.version))
    body = dict(request.body)
    body["Labels"] = {key: str(value) for key, value in service["labels"].items()}
    host = body["HostConfig"]
    if not names:
        host["NetworkMode"] = "default"
    for settings in [*body["NetworkingConfig"]["EndpointsConfig"].values(), *(one for _, one in request.connect)]:
        settings["Aliases"] = list(args.network_alias)
    host["AutoRemove"] = args.rm
    host["PublishAllPorts"] = args.publish_all
    body["OpenStdin"] = args.interactive
    body["AttachStdin"] = args.interactive
    body["StdinOnce"] = args.interactive
    body["Tty"] = args.tty
    return type(request)(args.name or "", request.platform, body, request.connect, request.files)


def create(engine: Engine, args: Namespace) -> str:
    """Create the container, pulling its image where the policy says so; its id."""
    import sys

    from ...client import NotFound
    from ...credentials import registry_auth

    if args.pull not in ("always", "missing", "never"):
        raise FlagError(f'invalid pull option: "{args.pull}": must be one of "always", "missing" or "never"')
    request = request_from(engine, args)

    def pull() -> None:
        for line in engine.images.pull(args.image, platform=request.platform, auth=registry_auth(args.image)):
            if line.get("status") and not line.get("progressDetail"):
                print(f"{line['id']}: {line['status']}" if line.get("id") else line["status"], file=sys.stderr)

    if args.pull == "always":
        pull()
    try:
        answer = engine.containers.create(request.body, request.name or None, request.platform)
    except NotFound as error:
        if args.pull != "missing" or "image" not in str(error).lower():
            raise
        print(f"Unable to find image '{args.image}' locally", file=sys.stderr)
        pull()
        answer = engine.containers.create(request.body, request.name or None, request.platform)
    for warning in answer.get("Warnings") or ():
        print(f"WARNING: {warning}", file=sys.stderr)
    identity = str(answer["Id"])
    for network, settings in request.connect:
        engine.networks.connect(network, identity, settings)
    if args.cidfile:
        with open(args.cidfile, "x", encoding="utf-8") as file:
            file.write(identity)
    return identity
