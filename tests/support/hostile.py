"""Requests of a hostile or broken client, shaped after the API's routes: right JSON with wrong values, wrong JSON, odd queries.

    for attack in attacks(Random(1), names): ...

``sweep`` is deterministic: every member of a create body with every hostile value of its kind, one at a time. ``attacks``
draws at random, any route. ``judge`` says what is wrong with an answer: a server that fails, or words that show its insides.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from pycompose.engine.api.routes import ROUTES
from pycompose.engine.containers.spec.fields import CONFIG, HOST_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from .engine_root import EngineRoot

TEXTS = (
    "", " ", "\0", "a\0b", "\n", "a\nb", "/", "..", "../../etc/passwd", "/../..", "a/../b", "./.", "//", "-", "-1", "0", ":", "::", ":::",
    "a:b", "/a:/b", "/a:/b:ro,rw", "=", "a=", "=b", ",", "%", "%00", "$(x)", "{{.}}", "[", "]", "[::1", "é", "\ud800", "\udcff", "\U0010ffff",
    "a" * 300, "a" * 5000, "x" * 200_000, "9" * 30, "9" * 5000, "1e999", "0x10", "1.5", "inf", "NaN", "container:", "container:x",
    "container:\0", "host", "none", "/dev/null", "/proc/self/root", "/proc/1/root:/x", "/dev/zero", "sha256:", "sha256:" + "0" * 64,
    "8080/udp", "80/sctp", "70000/tcp", "80-70/tcp", "1-65535/tcp", "256.1.1.1", "10.0.0.0/99", "fe80::1%eth0", "{}", "null", "\x1b[31m",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, -(2**31), 2**31, 2**32, -(2**63), 2**63 - 1, 2**63, 2**64, 10**400, 0.5, 1e308, True, float("inf"), float("nan"),
)  # fmt: skip
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    "x",
    [],
    [None],
    [[]],
    [{}],
    {},
    {"": ""},
    {"a": None},
    {"a": {"b": [1]}},
)

QUERY = (
    "all", "allow_expired", "author", "buildargs", "cachefrom", "cgroupparent", "changes", "checksum", "comment", "condition", "container",
    "copyUIDGID", "cpuperiod", "cpusetcpus", "cpushares", "detachKeys", "digests", "dockerfile", "extrahosts", "filter", "filters",
    "follow", "force", "forcerm", "fromImage", "fromSrc", "group", "h", "keep", "labels", "limit", "link", "logs", "memory", "memswap",
    "message", "name", "names", "networkmode", "noOverwriteDirNonDir", "nocache", "noprune", "one-shot", "outputs", "path", "pause",
    "platform", "ps_args", "pull", "q", "quiet", "ref", "remote", "repo", "rm", "shmsize", "signal", "since", "size", "squash", "stderr",
    "stdin", "stdout", "stream", "t", "tag", "tail", "target", "term", "timestamps", "type", "until", "v", "version", "w",
)  # fmt: skip
# Streams without end, and what would end the engine or fill the disk from a mirror.
ENDLESS = ("/events", "/stats", "/logs", "/attach", "/wait", "/start", "/attach/ws")
EXCLUDED = ("/pycompose/engine/stop", "/pycompose/images/bootstrap")

BODIES: dict[str, dict[str, Any]] = {
    "/containers/{id}/update": {"Memory": 1 << 26, "CpuShares": 5, "RestartPolicy": {"Name": "no"}, "PidsLimit": 5, "CpusetCpus": "0"},
    "/containers/{id}/exec": {
        "Cmd": ["true"], "User": "0", "Env": ["A=b"], "WorkingDir": "/", "Tty": False, "Privileged": False, "DetachKeys": "ctrl-p",
        "ConsoleSize": [1, 2], "AttachStdout": True,
    },
    "/exec/{id}/start": {"Detach": True, "Tty": False, "ConsoleSize": [1, 2]},
    "/networks/create": {
        "Name": "hostile", "Driver": "bridge", "Internal": False, "EnableIPv6": False, "Options": {"com.docker.network.driver.mtu": "1400"},
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.231.0.0/24", "Gateway": "10.231.0.1", "IPRange": "10.231.0.0/25",
                                                  "AuxiliaryAddresses": {"a": "10.231.0.9"}}], "Options": {}},
        "Labels": {"a": "b"}, "Attachable": True, "Scope": "local",
    },
    "/networks/{id}/connect": {
        "Container": "target", "EndpointConfig": {"Aliases": ["x"], "Links": ["a:b"], "IPAMConfig": {"IPv4Address": "10.231.0.7"},
                                                  "MacAddress": "02:00:00:00:00:01", "GwPriority": 1, "DriverOpts": {"a": "b"}},
    },
    "/networks/{id}/disconnect": {"Container": "target", "Force": True},
    "/volumes/create": {"Name": "hostile", "Driver": "local", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, "Labels": {}},
    "/auth": {"username": "a", "password": "b", "serveraddress": "127.0.0.1:1"},
    "/commit": {"Cmd": ["true"], "Env": ["A=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}},
    "/pycompose/leases": {"owner": {"pid": 1}, "labels": {"a": "b"}, "seconds": 5, "name": "x"},
    "/pycompose/snapshots": {"name": "x", "group": "y", "volumes": ["hostile"]},
    "/pycompose/volumes/{name}/clone": {"Target": "cloned", "Force": True},
    "/pycompose/containers/{id}/files": {"files": [{"target": "/x", "content": "eA==", "mode": 420, "uid": 0, "gid": 0}]},
    "/pycompose/build": {"target": "x"},
}  # fmt: skip
CREATE: dict[str, Any] = {
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 3, "StartPeriod": 0, "StartInterval": 0},
    "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1},
    "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}], "Tmpfs": {"/t": "size=1m"}, "Sysctls": {"net.core.somaxconn": "10"},
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rwm"}],
    "DeviceRequests": [{"Driver": "cdi", "Count": 1, "DeviceIDs": ["a=b"], "Capabilities": [["gpu"]], "Options": {}}],
    "BlkioWeightDevice": [{"Path": "/dev/null", "Weight": 100}], "BlkioDeviceReadBps": [{"Path": "/dev/null", "Rate": 100}],
    "Mounts": [{"Type": "tmpfs", "Target": "/m", "Source": "", "ReadOnly": False, "Consistency": "", "TmpfsOptions": {"SizeBytes": 1024, "Mode": 448},
                "BindOptions": {"Propagation": "rprivate", "NonRecursive": False, "CreateMountpoint": True},
                "VolumeOptions": {"NoCopy": True, "Labels": {}, "DriverConfig": {"Name": "local", "Options": {}}, "Subpath": "a"}}],
    "StorageOpt": {"size": "1G"}, "ConsoleSize": [1, 2],
}  # fmt: skip


class Attack(NamedTuple):
    """One request. ``body`` is what goes out, ``label`` what a failure is called."""

    method: str
    path: str
    body: bytes
    label: str
    content_type: str = "application/json"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def hostile_values(kind: str) -> Sequence[Any]:
    match kind:
        case "string":
            return (*TEXTS, *WRONG)
        case "int" | "int?" | "bool" | "bool?":
            return (*NUMBERS, *WRONG)
        case "strings":
            return (*([text] for text in TEXTS), ["a"] * 5000, ["a", "a"], *WRONG)
        case "map" | "sets":
            return (
                *({text: text} for text in TEXTS),
                *({text: ""} for text in TEXTS),
                *({"/x": text} for text in TEXTS),
                *WRONG,
            )
        case "ints":
            return (*([number, number] for number in NUMBERS), *WRONG)
    return WRONG


def sweep() -> Iterator[tuple[str, dict[str, Any]]]:
    """(label, create body): every member with every hostile value, nested members of known shapes too."""
    for where, table in (("", CONFIG), ("HostConfig", HOST_CONFIG)):
        for name, field in table.items():
            values = list(hostile_values(field.kind))
            if name in CREATE:
                values += [variant for variant, _ in variants(CREATE[name])]
            for value in values:
                body: dict[str, Any] = {"Image": "busybox", "Cmd": ["true"]}
                if where:
                    body[where] = {name: value}
                else:
                    body[name] = value
                yield f"{where}.{name}={json.dumps(value)[:60]}", body
    endpoint = BODIES["/networks/{id}/connect"]["EndpointConfig"]
    for variant, label in variants({"EndpointsConfig": {"bridge": endpoint, "none": {}}}):
        yield f"NetworkingConfig {label}", {"Image": "busybox", "NetworkingConfig": variant}


def variants(value: Any, where: str = "", texts: Sequence[str] = TEXTS) -> Iterator[tuple[Any, str]]:
    """The value with each of its leaves, and the name of each of its members, replaced in turn."""
    kinds: Sequence[Any] = (
        (*texts, *WRONG) if isinstance(value, str) else (*NUMBERS, *WRONG) if isinstance(value, int) else WRONG
    )
    for other in kinds:
        yield other, f"{where}={json.dumps(other)[:50]}"
    if isinstance(value, dict):
        for key in value:
            for changed, label in variants(value[key], f"{where}.{key}", texts):
                yield {**value, key: changed}, label
            for text in TEXTS:
                yield (
                    {**{k: v for k, v in value.items() if k != key}, text: value[key]},
                    f"{where}.{json.dumps(text)[:50]}",
                )
    if isinstance(value, list):
        for index, item in enumerate(value):
            for changed, label in variants(item, f"{where}[{index}]", texts):
                yield [*value[:index], changed, *value[index + 1 :]], label


def bodies() -> Iterator[Attack]:
    """Every known body other than create's, each member replaced in turn, at the objects named ``target``."""
    for pattern, template in BODIES.items():
        method = "PUT" if pattern.endswith("/files") else "POST"
        path = pattern.replace("{id}", "target")
        for value, label in variants(template):
            yield Attack(method, path, encoded(value), f"{method} {path} {label}")


def attacks(random: Random, names: Sequence[str]) -> Iterator[Attack]:
    """Random requests without end. ``names`` are of objects that exist."""
    routes = [route for route in ROUTES if route.pattern not in EXCLUDED]
    while True:
        route = random.choice(routes)
        path = ""
        for part in route.pattern.split("/")[1:]:
            if part.startswith("{"):
                word = random.choice([*names, random.choice(TEXTS)])[:3000]
                part = quote(word, safe="/" if ":path" in part else "", errors="surrogatepass") or "x"
            path += "/" + part
        query = [(random.choice(QUERY), _word(random, names)) for _ in range(random.randrange(4))]
        if route.pattern.endswith("/create") and "images" in route.pattern:
            query = [(key, value) for key, value in query if key != "fromImage"]
        text = urlencode(query, errors="surrogatepass")
        template = BODIES.get(route.pattern, {})
        body = b"" if route.method in ("GET", "HEAD") else _body(random, template)
        kind = random.choice(
            ["application/json"] * 6 + ["application/x-tar", "", "text/plain", "application/json; charset=\xff"]
        )
        prefix = random.choice(["", "/v1.24", "/v1.43", "/v1.47"])
        yield Attack(
            route.method,
            f"{prefix}{path}{'?' if text else ''}{text}"[:60_000],
            body,
            f"{route.method} {path[:80]}?{text[:200]}",
            kind,
        )


def _word(random: Random, names: Sequence[str]) -> str:
    match random.randrange(4):
        case 0:
            return random.choice(names)
        case 1:
            return json.dumps(
                {
                    random.choice(["label", "status", "name", "until", "dangling", "id", "since", "x"]): random.choice(
                        WRONG
                    )
                }
            )
        case 2:
            return random.choice(["1", "0", "true", "false"])
    return random.choice(TEXTS)[:3000]


def _body(random: Random, template: Any) -> bytes:
    match random.randrange(6):
        case 0:
            return bytes(random.randrange(256) for _ in range(random.randrange(600)))
        case 1:
            return b"[" * random.randrange(100_000)
        case 2:
            text = encoded(template)
            at = random.randrange(len(text) + 1)
            return text[:at] + bytes([random.randrange(256)]) + text[at + random.randrange(3) :]
        case 3:
            return encoded(random.choice(WRONG))
    return encoded(
        {
            key: random.choice([value, value, random.choice(WRONG), random.choice(TEXTS)])
            for key, value in template.items()
        }
    )


def send(engine: EngineRoot, attack: Attack, timeout: float) -> tuple[int, bytes] | None:
    """Status and body, or None when no whole answer came within ``timeout`` seconds or the connection was closed."""
    target = attack.path.encode("ascii", "replace")
    head = b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % (
        attack.method.encode(),
        target,
        len(attack.body),
    )
    if attack.content_type:
        head += b"Content-Type: " + attack.content_type.encode("latin-1") + b"\r\n"
    data = b""
    with engine.connect(timeout) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an early refusal; it may still be readable
            connection.sendall(head + b"\r\n" + attack.body)
        try:
            while piece := connection.recv(1 << 16):
                data += piece
                if len(data) > 1 << 22:
                    break
        except TimeoutError:
            return None if not data else (int(data.split(b" ", 2)[1]), data.partition(b"\r\n\r\n")[2])
        except ConnectionResetError:
            pass
    if not data:
        return None
    return int(data.split(b" ", 2)[1]), data.partition(b"\r\n\r\n")[2]


def endless(attack: Attack) -> bool:
    return attack.path.partition("?")[0].endswith(ENDLESS)
