"""The last shape of a tree: every attribute with its type, in the order and with the omissions of
``docker compose config --format json``.

A record is a tuple of fields; each field has a decoder, and may be left out when it holds its zero value. This table is
the single place that says what a service, a network … may hold; a key of the tree that no record names never gets here,
since the schema refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import units
from ..errors import Diagnostic, Path, dotted
from .interpolate import to_boolean
from .merge import as_map
from .scalars import Timestamp, float32, integer, text
from .tree import Map, Place, Seq, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Decoder = Callable[["Binder", Any, Path, Place | None], Any]

USER_KEYED = {
    ("services",),
    ("services", "*", "depends_on"),
    ("volumes",),
    ("networks",),
    ("secrets",),
    ("configs",),
    ("models",),
}
"""Where ``x-…`` is a name that the user chose rather than an extension."""


class Record(Map):
    """A bound mapping; ``extensions`` are its ``x-…`` keys, which only the YAML form shows."""

    __slots__ = ("extensions",)

    def __init__(self) -> None:
        super().__init__()
        self.extensions: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: its decoder, whether it is left out when zero, and its name in JSON where that differs."""

    key: str
    decode: Decoder
    omit: bool = True
    label: str = ""


class Binder:
    """Binds one tree, collecting every value that does not fit its type."""

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []

    def fail(self, message: str, path: Path, place: Place | None) -> None:
        self.errors.append(Diagnostic(message, path, mark(place)))

    def record(self, fields: tuple[Field, ...], value: Any, path: Path, place: Place | None) -> Record | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return None
        out = Record()
        out.place = value.place if isinstance(value, Map) else place
        places = value.places if isinstance(value, Map) else {}
        for field in fields:
            if field.key in value:
                where = places.get(field.key)
                bound = field.decode(self, value[field.key], (*path, field.key), where or place)
                if field.omit and is_zero(bound):
                    continue
                name = field.label or field.key
                out[name] = bound
                if where is not None:
                    out.places[name] = where
            elif not field.omit:
                out[field.label or field.key] = field.decode(self, None, (*path, field.key), None)
        out.extensions = {key: plain(item) for key, item in value.items() if key.startswith("x-")}
        return out


def is_zero(value: Any) -> bool:
    """Whether Go's omitempty would leave it out. `Kept` values never are."""
    if isinstance(value, Record):
        return False
    return (
        value is None or value is False or value == 0 or value == "" or (isinstance(value, (dict, list)) and not value)
    )


def kind(value: Any) -> str:
    """A value's type in the user's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "a timestamp"


def plain(value: Any) -> Any:
    """A value for output as it stands, keys sorted."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Timestamp):
        return value.rfc3339()
    return value


class Kept:
    """A pointer in the Go model: present even when it points at a zero."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def string(run: Binder, value: Any, path: Path, place: Place | None) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value < 1 << 63:
        return str(value)
    run.fail(f"{dotted(path)}: expected a string, got {kind(value)}", path, place)
    return ""


def switch(run: Binder, value: Any, path: Path, place: Place | None) -> str:
    """A boolean or a setting, as text."""
    return string(run, text(value) if isinstance(value, bool) else value, path, place)


def boolean(run: Binder, value: Any, path: Path, place: Place | None) -> bool:
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str):
        try:
            return to_boolean(value)
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}", path, place)
            return False
    run.fail(f"{dotted(path)}: expected a boolean, got {kind(value)}", path, place)
    return False


def whole(run: Binder, value: Any, path: Path, place: Place | None) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 1 << 63:
            run.fail(f"{dotted(path)}: {value} is too large", path, place)
        return value
    if isinstance(value, float):
        return int(value)
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            return int(value) if value.lstrip("+-").isdigit() else integer(value)
        except ValueError:
            run.fail(f"{dotted(path)}: {value!r} is not a whole number", path, place)
            return 0
    run.fail(f"{dotted(path)}: expected a number, got {kind(value)}", path, place)
    return 0


def natural(run: Binder, value: Any, path: Path, place: Place | None) -> int:
    if isinstance(value, str):
        run.fail(f"{dotted(path)}: expected a number, got a string", path, place)
        return 0
    number = whole(run, value, path, place)
    if number < 0:
        run.fail(f"{dotted(path)}: {number} must not be negative", path, place)
    return number


def single_float(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            run.fail(f"{dotted(path)}: {value!r} is not a number", path, place)
            return 0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Float32(value)
    if value is not None:
        run.fail(f"{dotted(path)}: expected a number, got {kind(value)}", path, place)
    return 0


class Float32(float):
    """A single-precision number, printed with as few digits as it needs."""

    __slots__ = ()

    def __new__(cls, value: float) -> Float32:
        return super().__new__(cls, float32(float(value)))


def size(run: Binder, value: Any, path: Path, place: Place | None) -> str:
    """Bytes, as a string of digits; "" stands for zero."""
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 1 << 63:
            run.fail(f"{dotted(path)}: {value} is too large", path, place)
        number = value
    elif isinstance(value, str):
        try:
            number = units.parse_bytes(value)
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}", path, place)
    return str(number) if number else ""


def rate(run: Binder, value: Any, path: Path, place: Place | None) -> str:
    return size(run, value, path, place) or "0"


def duration(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    """A duration that is left out only when it was not given."""
    try:
        return Shown(units.format_duration(units.parse_duration(text(value))))
    except ValueError as error:
        run.fail(f"{dotted(path)}: {error}", path, place)
        return None


def plain_duration(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    """A duration that is left out when zero."""
    shown = duration(run, value, path, place)
    return None if shown == "0s" else shown


class Shown(str):
    """A string that is never empty by meaning, such as a zero duration."""

    __slots__ = ()


def command(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    """Words of a command, or None when nothing was given; an empty list clears the image's."""
    if isinstance(value, str):
        try:
            return Words(units.split_command(value))
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}: {value!r}", path, place)
            return None
    if isinstance(value, list):
        return Words(
            string(run, item, (*path, i), where)
            for i, (item, where) in enumerate(zip(value, places_of(value), strict=True))
        )
    return None


class Words(list[str]):
    """A command; an empty one is not the same as none."""

    __slots__ = ()


def health_test(run: Binder, value: Any, path: Path, place: Place | None) -> list[str]:
    if isinstance(value, str):
        return ["CMD-SHELL", value]
    if isinstance(value, list):
        return [string(run, item, (*path, index), place) for index, item in enumerate(value)]
    run.fail(f"{dotted(path)}: expected a string or a list, got {kind(value)}", path, place)
    return []


def strings(run: Binder, value: Any, path: Path, place: Place | None) -> Seq:
    """A list of strings; one string stands for a list of one."""
    if isinstance(value, str):
        return Seq([value], [place])
    if isinstance(value, list):
        places = places_of(value)
        return Seq([string(run, item, (*path, index), places[index]) for index, item in enumerate(value)], list(places))
    if value is not None:
        run.fail(f"{dotted(path)}: expected a list of strings, got {kind(value)}", path, place)
    return Seq()


def texts(run: Binder, value: Any, path: Path, place: Place | None) -> Seq:
    """A list of strings or numbers."""
    if isinstance(value, list):
        return Seq([text(item) for item in value], list(places_of(value)))
    return strings(run, value, path, place)


def _pairs(value: Any) -> list[tuple[str, Any, Place | None]]:
    """Key, value and place from a mapping or a key=value list; a key without ``=`` has None."""
    if isinstance(value, dict):
        places = as_map(value).places
        pairs = [(key, item, places.get(key)) for key, item in value.items() if not key.startswith("x-")]
        extra = {key: item for key, item in value.items() if key.startswith("x-")}
        if extra:
            pairs.append(("#extensions", extra, None))
        return pairs
    out: list[tuple[str, Any, Place | None]] = []
    for item, place in zip(value, places_of(value), strict=True):
        key, separator, rest = text(item).partition("=")
        out.append((key, rest if separator else None, place))
    return out


def _sorted(pairs: list[tuple[str, Any, Place | None]]) -> Map:
    last = {key: (item, place) for key, item, place in pairs}
    out = Map()
    for key in sorted(last):
        out.put(key, *last[key])
    return out


def mapping(run: Binder, value: Any, path: Path, place: Place | None) -> Map:
    """String values; nothing given is an empty string."""
    if not isinstance(value, (dict, list)):
        if value is not None:
            run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
        return Map()
    return _sorted([(key, "" if item is None else text(item), where) for key, item, where in _pairs(value)])


def environment(run: Binder, value: Any, path: Path, place: Place | None) -> Map:
    """String values, or None for a variable that is named without a value."""
    if not isinstance(value, (dict, list)):
        if value is not None:
            run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
        return Map()
    return _sorted([(key, None if item is None else text(item), where) for key, item, where in _pairs(value)])


def options(run: Binder, value: Any, path: Path, place: Place | None) -> Map:
    return mapping(run, value, path, place)


def string_map(run: Binder, value: Any, path: Path, place: Place | None) -> Map:
    if isinstance(value, dict):
        return _sorted([(key, string(run, item, (*path, key), where), where) for key, item, where in _pairs(value)])
    return mapping(run, value, path, place)


def hosts(run: Binder, value: Any, path: Path, place: Place | None) -> Seq:
    """``host=address`` entries, sorted."""
    found: list[tuple[str, str, Place | None]] = []
    if isinstance(value, dict):
        for key, item, where in _pairs(value):
            for address in item if isinstance(item, list) else [item]:
                found.append((key, "" if address is None else text(address), where))
    elif isinstance(value, list):
        for item, where in zip(value, places_of(value), strict=True):
            entry = text(item)
            separator = "=" if "=" in entry else ":"
            host, found_separator, address = entry.partition(separator)
            if not found_separator:
                run.fail(f"{dotted(path)}: invalid additional host, missing IP: {entry}", path, where or place)
                continue
            found.append((host, address, where))
    elif value is not None:
        run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
    lines: list[tuple[str, Place | None]] = []
    for host, address, where in found:
        if not host or ":" in host or "=" in host:
            run.fail(f"{dotted(path)}: bad host name '{host}'", path, where or place)
        if len(address) > 2 and address[0] == "[" and address[-1] == "]":
            address = address[1:-1]
        lines.append((f"{host}={address}", where))
    lines.sort(key=lambda line: line[0].encode())
    return Seq([line for line, _ in lines], [where for _, where in lines])


def ssh(run: Binder, value: Any, path: Path, place: Place | None) -> Seq:
    return Seq([key if not item else f"{key}: {item}" for key, item, _ in _pairs(value or {})])


def ulimit(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value else Record()
    out = Record()
    if isinstance(value, dict):
        for key in ("soft", "hard"):
            item = value.get(key)
            if isinstance(item, int) and not isinstance(item, bool):
                if item:
                    out[key] = item
            elif item is not None:
                run.fail(f"{dotted(path)}: {key} must be a number", path, place)
    return out


def optional_boolean(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    return None if value is None else Kept(boolean(run, value, path, place))


def optional_whole(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    return None if value is None else Kept(whole(run, value, path, place))


def optional_natural(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    return None if value is None else Kept(natural(run, value, path, place))


def free(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    return plain(value)


def device_count(run: Binder, value: Any, path: Path, place: Place | None) -> int:
    if isinstance(value, str):
        if value.lower() == "all":
            return -1
        try:
            return int(value)
        except ValueError:
            message = f"{dotted(path)}: invalid value {value!r}, the only value allowed is 'all' or a number"
            run.fail(message, path, place)
            return 0
    if isinstance(value, float):
        run.fail(f"{dotted(path)}: {value} is not a whole number", path, place)
        return 0
    return whole(run, value, path, place)


def env_file(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
    record = run.record(ENV_FILE, value, path, place)
    if record is not None and record.get("required") and not record.get("format"):
        return record.get("path", "")
    return record


def record(*fields: Field) -> Decoder:
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        return run.record(fields, value, path, place)

    return decode


def embedded(*fields: Field) -> Decoder:
    """A record that is there even when nothing was given."""

    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        return run.record(fields, value if value is not None else Map(), path, place)

    return decode


def listed(item: Decoder) -> Decoder:
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        if value is None:
            return Seq()
        if not isinstance(value, list):
            if isinstance(value, dict):
                value = Seq([value])
            else:
                run.fail(f"{dotted(path)}: expected a list, got {kind(value)}", path, place)
                return Seq()
        places = places_of(value)
        return Seq(
            [item(run, part, (*path, index), places[index] or place) for index, part in enumerate(value)], list(places)
        )

    return decode


def keyed(item: Decoder) -> Decoder:
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        out = Map()
        if value is None:
            return out
        if not isinstance(value, dict):
            run.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return out
        places = as_map(value).places
        for key in sorted(value):
            out.put(key, item(run, value[key], (*path, key), places.get(key) or place), places.get(key))
        return out

    return decode


F = Field
ENV_FILE = (F("path", string), F("required", boolean, omit=False), F("format", string))
_ulimits = keyed(ulimit)
_file_reference = record(
    F("source", string), F("target", string), F("uid", string), F("gid", string), F("mode", optional_natural)
)
_hook = (
    F("command", command, omit=False),
    F("user", string),
    F("privileged", boolean),
    F("working_dir", string),
    F("environment", environment),
)
_pre_start_hook = (*_hook, F("image", string), F("per_replica", boolean))
_throttle = listed(record(F("path", string, False, "Path"), F("rate", rate, False, "Rate")))
_device_requests = listed(
    record(
        F("capabilities", strings),
        F("driver", string),
        F("count", device_count),
        F("device_ids", strings),
        F("options", mapping),
    )
)
_build = record(
    F("context", string),
    F("dockerfile", string),
    F("dockerfile_inline", string),
    F("entitlements", strings),
    F("args", environment),
    F("provenance", switch),
    F("sbom", switch),
    F("ssh", ssh),
    F("labels", mapping),
    F("cache_from", strings),
    F("cache_to", strings),
    F("no_cache", boolean),
    F("no_cache_filter", strings),
    F("additional_contexts", mapping),
    F("pull", boolean),
    F("extra_hosts", hosts),
    F("isolation", string),
    F("network", string),
    F("target", string),
    F("secrets", listed(_file_reference)),
    F("shm_size", size),
    F("tags", strings),
    F("ulimits", _ulimits),
    F("platforms", strings),
    F("privileged", boolean),
)
_develop = record(
    F(
        "watch",
        listed(
            record(
                F("path", string, omit=False),
                F("action", string, omit=False),
                F("target", string),
                F("exec", embedded(*_hook), omit=False),
                F("include", strings),
                F("ignore", strings),
                F("initial_sync", boolean),
            )
        ),
    )
)
_blkio = record(
    F("weight", natural),
    F("weight_device", listed(record(F("path", string, False, "Path"), F("weight", natural, False, "Weight")))),
    F("device_read_bps", _throttle),
    F("device_read_iops", _throttle),
    F("device_write_bps", _throttle),
    F("device_write_iops", _throttle),
)
_resource = record(
    F("cpus", single_float),
    F("memory", size),
    F("pids", whole),
    F("devices", _device_requests),
    F(
        "generic_resources",
        listed(record(F("discrete_resource_spec", record(F("kind", string, False), F("value", whole, False))))),
    ),
)
_update = record(
    F("parallelism", optional_natural),
    F("delay", plain_duration),
    F("failure_action", string),
    F("monitor", plain_duration),
    F("max_failure_ratio", single_float),
    F("order", string),
)
_deploy = record(
    F("mode", string),
    F("replicas", optional_whole),
    F("labels", mapping),
    F("update_config", _update),
    F("rollback_config", _update),
    F("resources", embedded(F("limits", _resource), F("reservations", _resource)), omit=False),
    F(
        "restart_policy",
        record(
            F("condition", string), F("delay", duration), F("max_attempts", optional_natural), F("window", duration)
        ),
    ),
    F(
        "placement",
        embedded(
            F("constraints", strings),
            F("preferences", listed(record(F("spread", string)))),
            F("max_replicas_per_node", natural),
        ),
        omit=False,
    ),
    F("endpoint_mode", string),
)
_volume = record(
    F("type", string),
    F("source", string),
    F("target", string),
    F("read_only", boolean),
    F("consistency", string),
    F(
        "bind",
        record(F("selinux", string), F("propagation", string), F("create_host_path", boolean), F("recursive", string)),
    ),
    F("volume", record(F("labels", mapping), F("nocopy", boolean), F("subpath", string))),
    F("tmpfs", record(F("size", size), F("mode", natural))),
    F("image", record(F("subpath", string))),
)
_port = record(
    F("name", string),
    F("mode", string),
    F("host_ip", string),
    F("target", natural),
    F("published", string),
    F("protocol", string),
    F("app_protocol", string),
)
_service_network = record(
    F("priority", whole),
    F("gw_priority", whole),
    F("interface_name", string),
    F("aliases", strings),
    F("ipv4_address", string),
    F("ipv6_address", string),
    F("link_local_ips", strings),
    F("mac_address", string),
    F("driver_opts", options),
)
SERVICE: tuple[Field, ...] = (
    F("profiles", strings),
    F("annotations", mapping),
    F("attach", optional_boolean),
    F("build", _build),
    F("develop", _develop),
    F("blkio_config", _blkio),
    F("cap_add", strings),
    F("cap_drop", strings),
    F("cgroup_parent", string),
    F("cgroup", string),
    F("cpu_count", whole),
    F("cpu_percent", single_float),
    F("cpu_period", whole),
    F("cpu_quota", whole),
    F("cpu_rt_period", whole),
    F("cpu_rt_runtime", whole),
    F("cpus", single_float),
    F("cpuset", string),
    F("cpu_shares", whole),
    F("command", command, omit=False),
    F("configs", listed(_file_reference)),
    F("container_name", string),
    F("credential_spec", record(F("config", string), F("file", string), F("registry", string))),
    F(
        "depends_on",
        keyed(record(F("condition", string), F("restart", boolean), F("required", boolean, omit=False))),
    ),
    F("deploy", _deploy),
    F("device_cgroup_rules", strings),
    F("devices", listed(record(F("source", string), F("target", string), F("permissions", string)))),
    F("dns", strings),
    F("dns_opt", strings),
    F("dns_search", strings),
    F("domainname", string),
    F("provider", record(F("type", string), F("options", free))),
    F("entrypoint", command, omit=False),
    F("environment", environment),
    F("env_file", listed(env_file)),
    F("expose", texts),
    F("extends", record(F("file", string), F("service", string))),
    F("external_links", strings),
    F("extra_hosts", hosts),
    F("group_add", strings),
    F("gpus", _device_requests),
    F("hostname", string),
    F(
        "healthcheck",
        record(
            F("test", health_test),
            F("timeout", duration),
            F("interval", duration),
            F("retries", optional_natural),
            F("start_period", duration),
            F("start_interval", duration),
            F("disable", boolean),
        ),
    ),
    F("image", string),
    F("init", optional_boolean),
    F("ipc", string),
    F("isolation", string),
    F("labels", mapping),
    F("label_file", strings),
    F("links", strings),
    F("logging", record(F("driver", string), F("options", options))),
    F("mem_limit", size),
    F("mem_reservation", size),
    F("memswap_limit", size),
    F("mem_swappiness", size),
    F("mac_address", string),
    F("models", keyed(record(F("endpoint_var", string), F("model_var", string)))),
    F("network_mode", string),
    F("networks", keyed(_service_network)),
    F("oom_kill_disable", boolean),
    F("oom_score_adj", whole),
    F("pid", string),
    F("pids_limit", whole),
    F("platform", string),
    F("ports", listed(_port)),
    F("privileged", boolean),
    F("pull_policy", string),
    F("pull_refresh_after", string),
    F("read_only", boolean),
    F("restart", string),
    F("runtime", string),
    F("scale", optional_whole),
    F("secrets", listed(_file_reference)),
    F("security_opt", strings),
    F("shm_size", size),
    F("stdin_open", boolean),
    F("stop_grace_period", duration),
    F("stop_signal", string),
    F("storage_opt", string_map),
    F("sysctls", mapping),
    F("tmpfs", strings),
    F("tty", boolean),
    F("ulimits", _ulimits),
    F("use_api_socket", boolean),
    F("user", string),
    F("userns_mode", string),
    F("uts", string),
    F("volumes", listed(_volume)),
    F("volumes_from", strings),
    F("working_dir", string),
    F("pre_start", listed(record(*_pre_start_hook))),
    F("post_start", listed(record(*_hook))),
    F("pre_stop", listed(record(*_hook))),
)
NETWORK: tuple[Field, ...] = (
    F("name", string),
    F("driver", string),
    F("driver_opts", options),
    F(
        "ipam",
        embedded(
            F("driver", string),
            F(
                "config",
                listed(
                    record(
                        F("subnet", string), F("gateway", string), F("ip_range", string), F("aux_addresses", mapping)
                    )
                ),
            ),
        ),
        omit=False,
    ),
    F("external", boolean),
    F("internal", boolean),
    F("attachable", boolean),
    F("labels", mapping),
    F("enable_ipv4", optional_boolean),
    F("enable_ipv6", optional_boolean),
)
VOLUME: tuple[Field, ...] = (
    F("name", string),
    F("driver", string),
    F("driver_opts", options),
    F("external", boolean),
    F("labels", mapping),
)
FILE_OBJECT: tuple[Field, ...] = (
    F("name", string),
    F("file", string),
    F("environment", string),
    F("content", string),
    F("external", boolean),
    F("labels", mapping),
    F("driver", string),
    F("driver_opts", string_map),
    F("template_driver", string),
)
MODEL: tuple[Field, ...] = (
    F("name", string),
    F("model", string),
    F("context_size", whole),
    F("runtime_flags", strings),
)
SECTIONS: dict[str, tuple[Field, ...]] = {
    "services": SERVICE,
    "networks": NETWORK,
    "volumes": VOLUME,
    "configs": FILE_OBJECT,
    "secrets": FILE_OBJECT,
    "models": MODEL,
}


def bind(tree: Map) -> tuple[dict[str, Map], list[Diagnostic]]:
    """The bound sections of a normalised tree, names sorted, and everything that did not fit."""
    run = Binder()
    out: dict[str, Map] = {}
    for section, fields in SECTIONS.items():
        out[section] = keyed(embedded(*fields))(run, tree.get(section), (section,), None)
    for value in out.values():
        _unwrap(value)
    return out, run.errors


def _unwrap(value: Any) -> None:
    """Replace `Kept` by what it holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        if type(item) is Kept:
            value[key] = item.value
        elif isinstance(item, (dict, list)) and item:
            _unwrap(item)
