"""What the configuration file says, as the values that the engine's nouns take. Read once; later changes need a restart.

The schema knows the shapes; what only code can judge (addresses, subnets, log options) is checked here, with the place
of the value all the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from ...grammar import durations
from ..containers.spec import logoptions, userspace, validate
from ..errors import EngineError
from ..images.registry.endpoints import RegistryConfig
from ..linux.idmap import IDS
from ..networks.ipam import DEFAULT_POOLS, DefaultPool
from ..networks.types import Resolver
from . import upkeep, verification
from .document import ConfigurationError, parse
from .schema import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..containers.spec.bodies import LogConfig
    from ..shapes import Json
    from .document import Value
    from .schema import Fault, Schema

_SCHEMA = "engine.schema.json"
_MAXIMUM_FAULTS = 20
_LAST_ID = (1 << 31) - 1
"""Programs that take ids for signed numbers are many."""


class PoolTree(TypedDict):
    base: str
    size: int


class LogTree(TypedDict, total=False):
    driver: str
    options: dict[str, str | int | bool]


class IdsTree(TypedDict, total=False):
    mode: str
    first: int
    ranges: int


class BuildTree(TypedDict, total=False):
    workers: int


Tree = TypedDict(
    "Tree",
    {
        "hosts": list[str],
        "tlsverify": bool,
        "tlscacert": str,
        "tlscert": str,
        "tlskey": str,
        "mirrors": dict[str, list[str]],
        "insecure-registries": list[str],
        "registry-certs": list[str],
        "downloads": int,
        "uploads": int,
        "verify": list[verification.RuleTree],
        "address-pools": list[PoolTree],
        "dns": list[str],
        "dns-search": list[str],
        "dns-options": list[str],
        "log": LogTree,
        "log-level": str,
        "log-format": str,
        "metrics-addr": str,
        "idle-timeout": str | int,
        "userns": IdsTree,
        "gc": upkeep.UpkeepTree,
        "build": BuildTree,
    },
    total=False,
)
"""The file as it is written, after the schema has accepted it; a test compares both."""


@dataclass(frozen=True, slots=True)
class Remote:
    """TCP addresses (host, port) to listen on, and the files of mutual TLS: the authority of clients, our certificate and key."""

    addresses: tuple[tuple[str, int], ...]
    authority: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Settings:
    """``idle`` in seconds, 0 for never, None when the file says nothing. ``workers`` is how many stages of one build are
    built at a time. ``log`` is a LogConfig for containers that give none; ``log_level`` and ``log_format`` are the engine's own
    log. ``metrics`` is the TCP address (host, port) at which they are served. ``ids`` are for containers' user namespaces, ``upkeep`` is what is
    cleared away in the background."""

    registries: RegistryConfig = field(default_factory=RegistryConfig)
    pools: tuple[DefaultPool, ...] = DEFAULT_POOLS
    resolver: Resolver = field(default_factory=Resolver)
    log: LogConfig = field(default_factory=lambda: _log({}))
    idle: float | None = None
    workers: int = 2
    remote: Remote | None = None
    log_level: str = "warning"
    log_format: str = "text"
    metrics: tuple[str, int] | None = None
    ids: userspace.Ids = field(default_factory=userspace.Ids)
    upkeep: upkeep.Upkeep = field(default_factory=upkeep.Upkeep)


def load(path: Path, *, required: bool = False, given: Tree | None = None) -> Settings:
    """Read the file at ``path``; defaults when there is none and it is not ``required``.

    ``given`` are keys of the command line (hosts and tls…, log-level, log-format, metrics-addr), which win. Raises
    ConfigurationError.
    """
    settings = _load(path, required)
    if not given:
        return settings
    if "hosts" in given:
        if trouble := _remote_trouble(given):
            raise ConfigurationError(trouble)
        settings = replace(settings, remote=_remote(given))
    if "metrics-addr" in given and _address(f"tcp://{given['metrics-addr']}") is None:
        raise ConfigurationError(f"metrics-addr: {given['metrics-addr']!r}: want ADDRESS:PORT")
    return _observed(settings, given)


def _load(path: Path, required: bool) -> Settings:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"{path}: no such file") from None
        return Settings()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    document = parse(data, str(path))
    if document is None:
        return Settings()
    found = list(faults(document, schema())) or list(_senseless(document))
    if found:
        lines = [f"{path}:{line}:{column}: {message}" for line, column, message in found[:_MAXIMUM_FAULTS]]
        raise ConfigurationError("\n".join(lines))
    return _settings(cast("Tree", _plain(document)))  # the schema has seen to it


def schema() -> Schema:
    """The schema of the engine's configuration."""
    file = Path(__file__).parents[2] / "schemas" / _SCHEMA
    value: Schema = json.loads(file.read_text(encoding="utf-8"))
    return value


def _plain(value: Value) -> Json:
    if isinstance(value.content, dict):
        return {key: _plain(item) for key, item in value.content.items()}
    if isinstance(value.content, list):
        return [_plain(item) for item in value.content]
    return value.content


def _senseless(document: Value) -> Iterator[Fault]:
    """Values of the right shape that mean nothing."""
    members, tree = document.members, cast("Tree", _plain(document))
    for index, pool in enumerate(members["address-pools"].items if "address-pools" in members else ()):
        base, size = pool.members["base"], pool.members["size"]
        try:
            network = ip_network(base.text)
        except ValueError as error:
            yield base.line, base.column, f"address-pools[{index}].base: {error}"
            continue
        if not network.prefixlen <= size.number <= network.max_prefixlen - 2:
            allowed = f"between {network.prefixlen} and {network.max_prefixlen - 2}"
            yield size.line, size.column, f"address-pools[{index}].size: must be {allowed} for {network}"
    for index, server in enumerate(members["dns"].items if "dns" in members else ()):
        try:
            ip_address(server.text)
        except ValueError:
            yield server.line, server.column, f"dns[{index}]: {server.content!r} is no IP address"
    if "verify" in members:
        yield from verification.faults(members["verify"])
    if tree.get("hosts") and (trouble := _remote_trouble(tree)):
        yield members["hosts"].line, members["hosts"].column, trouble
    if "metrics-addr" in members and _address(f"tcp://{members['metrics-addr'].content}") is None:
        metrics = members["metrics-addr"]
        yield metrics.line, metrics.column, f"metrics-addr: {metrics.content!r}: want ADDRESS:PORT"
    if "userns" in members:
        userns = members["userns"]
        ids = userspace.Ids(**tree["userns"])
        if ids.first + ids.ranges * IDS > _LAST_ID:
            yield (
                userns.line,
                userns.column,
                f"userns: {ids.ranges} ranges of {IDS} ids from {ids.first} on end above {_LAST_ID}",
            )
    if "gc" in members:
        yield from upkeep.senseless(members["gc"], tree["gc"])
    if "log" in members:
        log = members["log"]
        chosen = _log(tree["log"])
        try:
            validate.log_config(chosen)
            logoptions.prepare_files(chosen)
        except EngineError as error:
            options = log.members.get("options", log)
            yield options.line, options.column, f"log.options: {error}"


def _settings(tree: Tree) -> Settings:
    standard = Settings()
    registries = RegistryConfig(
        mirrors={domain: tuple(urls) for domain, urls in tree.get("mirrors", {}).items()},
        insecure=frozenset(tree.get("insecure-registries", ())),
        downloads=tree.get("downloads", standard.registries.downloads),
        uploads=tree.get("uploads", standard.registries.uploads),
        certificates=tuple(map(Path, tree["registry-certs"]))
        if "registry-certs" in tree
        else standard.registries.certificates,
        verify=tuple(map(verification.rule, tree.get("verify", ()))),
    )
    pools = tuple(DefaultPool(pool["base"], pool["size"]) for pool in tree.get("address-pools", ()))
    settings = Settings(
        registries=registries,
        pools=pools or standard.pools,
        resolver=Resolver(
            tuple(tree.get("dns", ())), tuple(tree.get("dns-search", ())), tuple(tree.get("dns-options", ()))
        ),
        log=_log(tree.get("log", {})),
        idle=durations.seconds(str(tree["idle-timeout"])) if "idle-timeout" in tree else None,
        workers=tree["build"].get("workers", standard.workers) if "build" in tree else standard.workers,
        remote=_remote(tree) if tree.get("hosts") else None,
        ids=userspace.Ids(**tree.get("userns", {})),
        upkeep=upkeep.upkeep(tree.get("gc", {})),
    )
    return _observed(settings, tree)


def _observed(settings: Settings, tree: Tree) -> Settings:
    """With what is given on log and metrics."""
    metrics = _address(f"tcp://{tree['metrics-addr']}") if "metrics-addr" in tree else settings.metrics
    return replace(
        settings,
        log_level=tree.get("log-level", settings.log_level),
        log_format=tree.get("log-format", settings.log_format),
        metrics=metrics,
    )


_FILES: tuple[Literal["tlscacert", "tlscert", "tlskey"], ...] = ("tlscacert", "tlscert", "tlskey")


def _remote_trouble(tree: Tree) -> str:
    """What is wrong with hosts and tls…, "" when nothing is."""
    for host in tree.get("hosts", ()):
        if _address(host) is None:
            return f"hosts: {host!r}: want tcp://ADDRESS:PORT; the unix socket is always there"
    missing = [name for name in _FILES if not tree.get(name)]
    if missing or tree.get("tlsverify") is not True:
        needed = [*missing, *([] if tree.get("tlsverify") is True else ["tlsverify: true"])]
        return (
            f"hosts: TCP is only offered with TLS that both sides are checked by: {', '.join(needed)} missing "
            "(who may connect without a certificate is root on this machine)"
        )
    return ""


def _address(text: str) -> tuple[str, int] | None:
    match = re.fullmatch(r"tcp://(\[[0-9a-fA-F:.]+\]|[^:/\[\]]*):([0-9]{1,5})/?", text)
    if match is None or not 0 <= int(match[2]) < 65536:
        return None
    return match[1].strip("[]") or "0.0.0.0", int(match[2])


def _remote(tree: Tree) -> Remote:
    addresses = tuple(address for host in tree["hosts"] if (address := _address(host)) is not None)
    return Remote(addresses, *(str(tree[name]) for name in _FILES))


def _log(tree: LogTree) -> LogConfig:
    options = tree.get("options", {})
    words = {True: "true", False: "false"}
    return {
        "Type": tree.get("driver", "json-file"),
        "Config": {key: words[value] if isinstance(value, bool) else str(value) for key, value in options.items()},
    }
