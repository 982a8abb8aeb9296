"""Flags of `container run`, `create` and `update` become the body that the docker CLI would send, or its error."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.compose.cli.flags.parser import FlagError, Parser
from pycompose.compose.cli.verbs.container import update
from pycompose.compose.cli.verbs.container.limits import update_body
from pycompose.compose.cli.verbs.container.options import add_container_flags
from pycompose.compose.cli.verbs.container.request import create_request

if TYPE_CHECKING:
    from pathlib import Path


def _request(*flags: str, api: tuple[int, int] = (1, 44), command: tuple[str, ...] = ()) -> Any:
    parser = Parser("pycompose container create", "", interspersed=False, codes=(125, 1))
    add_container_flags(parser)
    return create_request(parser.parse([*flags, "img", *command], Namespace()), api)


def _field(path: str, *flags: str) -> Any:
    value: Any = _request(*flags).body
    for name in path.split("."):
        value = value[name]
    return value


@pytest.mark.parametrize(
    ("path", "flags", "value"),
    [
        ("Env", ["-e", "A=1", "-e", "NOT_SET_ANYWHERE"], ["A=1", "NOT_SET_ANYWHERE"]),
        ("Labels", ["-l", "a=b=c", "-l", "d"], {"a": "b=c", "d": ""}),
        ("Entrypoint", ["--entrypoint", "a b"], ["a b"]),
        ("Entrypoint", ["--entrypoint", ""], [""]),
        ("Volumes", ["-v", "/anon", "-v", "vol:/x"], {"/anon": {}}),
        ("HostConfig.Binds", ["-v", "/anon", "-v", "vol:/x:ro", "-v", "/h:/c"], ["vol:/x:ro", "/h:/c"]),
        ("ExposedPorts", ["--expose", "90-91/udp", "-p", "80"], {"90/udp": {}, "91/udp": {}, "80/tcp": {}}),
        (
            "HostConfig.PortBindings",
            ["-p", "127.0.0.1:8080:80", "-p", "published=9,target=8,protocol=udp"],
            {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "8/udp": [{"HostIp": "", "HostPort": "9"}]},
        ),
        ("HostConfig.RestartPolicy", [], {"Name": "no", "MaximumRetryCount": 0}),
        ("HostConfig.RestartPolicy", ["--restart", "on-failure:3"], {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("HostConfig.NanoCpus", ["--cpus", "1.5"], 1_500_000_000),
        ("HostConfig.Memory", ["-m", "64m"], 64 << 20),
        ("HostConfig.MemorySwap", ["--memory-swap", "-1"], -1),
        ("HostConfig.MemorySwappiness", [], -1),
        ("HostConfig.NetworkMode", [], "default"),
        ("HostConfig.ExtraHosts", ["--add-host", "a=::1", "--add-host", "h:host-gateway"], ["a:::1", "h:host-gateway"]),
        ("HostConfig.Tmpfs", ["--tmpfs", "/run:size=1m,mode=755"], {"/run": "size=1m,mode=755"}),
        (
            "HostConfig.Devices",
            ["--device", "/dev/full:rw"],
            [{"PathOnHost": "/dev/full", "PathInContainer": "/dev/full", "CgroupPermissions": "rw"}],
        ),
        (
            "HostConfig.DeviceRequests",
            ["--gpus", '"device=1,2","capabilities=compute"'],
            [
                {
                    "Driver": "",
                    "Count": 0,
                    "DeviceIDs": ["1", "2"],
                    "Capabilities": [["compute", "gpu"]],
                    "Options": {},
                }
            ],
        ),
        ("HostConfig.Ulimits", ["--ulimit", "nofile=5:9"], [{"Name": "nofile", "Soft": 5, "Hard": 9}]),
        ("HostConfig.MaskedPaths", ["--security-opt", "systempaths=unconfined"], []),
        (
            "HostConfig.Mounts",
            ["--mount", "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave"],
            [
                {
                    "Type": "bind",
                    "Source": "/a",
                    "Target": "/b",
                    "ReadOnly": True,
                    "BindOptions": {"Propagation": "rslave"},
                }
            ],
        ),
        (
            "HostConfig.Mounts",
            ["--mount", "type=volume,dst=/b,volume-opt=o=x,volume-label=l=m"],
            [
                {
                    "Type": "volume",
                    "Target": "/b",
                    "VolumeOptions": {"DriverConfig": {"Options": {"o": "x"}}, "Labels": {"l": "m"}},
                }
            ],
        ),
        ("Healthcheck", ["--no-healthcheck"], {"Test": ["NONE"]}),
        (
            "Healthcheck",
            ["--health-cmd", "x y", "--health-interval", "1s", "--health-retries", "2"],
            {"Test": ["CMD-SHELL", "x y"], "Interval": 10**9, "Retries": 2},
        ),
        (
            "NetworkingConfig.EndpointsConfig",
            ["--network", "name=a,alias=x,ip=10.0.0.4", "--network", "b", "--mac-address", "02:42:ac:11:00:02"],
            {
                "a": {
                    "Aliases": ["x"],
                    "MacAddress": "02:42:ac:11:00:02",
                    "IPAMConfig": {"IPv4Address": "10.0.0.4"},
                },
                "b": {},
            },
        ),
        ("AttachStdin", ["-i"], True),
        ("AttachStdout", ["-a", "stderr"], False),
    ],
)
def test_body(path: str, flags: list[str], value: Any) -> None:
    assert _field(path, *flags) == value


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "here")
    variables, labels = tmp_path / "env", tmp_path / "labels"
    variables.write_text("# comment\nA=1\nGIVEN\nNOT_SET_ANYWHERE\n  B=x y\n")
    labels.write_text("l1=v\nl2\n")
    body = _request("--env-file", str(variables), "--label-file", str(labels), "-e", "A=2").body
    assert body["Env"] == ["A=1", "GIVEN=here", "B=x y", "A=2"]
    assert body["Labels"] == {"l1": "v", "l2": ""}


def test_older_engines_are_connected_later() -> None:
    request = _request("--network", "a", "--network", "b", "--mac-address", "02:42:ac:11:00:02", api=(1, 41))
    assert request.body["NetworkingConfig"] == {"EndpointsConfig": {"a": {}}}
    assert request.body["MacAddress"] == "02:42:ac:11:00:02"
    assert request.connect == (("b", {}),)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rm", "--restart", "always"], "Conflicting options: --restart and --rm"),
        (["--memory-swappiness", "200"], "Valid memory swappiness range is 0-100"),
        (["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts"),
        (["--pid", "bogus"], "--pid: invalid PID mode"),
        (["--network", "host", "--network-alias", "x"], "only supported for user-defined networks"),
        (["--network", "a", "--network", "a"], "specified multiple times"),
        (["--network", "name=a,alias=x", "--network-alias", "y"], "cannot specify both --network-alias"),
        (["--security-opt", "foo"], 'Invalid --security-opt: "foo"'),
        (["--security-opt", "seccomp=/nonexistent"], "opening seccomp profile"),
        (["--device", "/dev/x:/y:q"], "bad mode specified: q"),
        (["--expose", "x"], "invalid range format for --expose"),
        (["-p", "x:y"], "Invalid containerPort: y"),
        (["-v", ":::"], "empty section between colons"),
        (["--log-driver", "none", "--log-opt", "a=b"], "invalid logging opts"),
        (["--restart", "on-failure:x"], "maximum retry count must be an integer"),
        (["--env-file", "/nonexistent"], "open /nonexistent: no such file or directory"),
        (["--mac-address", "zz"], "not a valid mac address"),
    ],
)
def test_contradictions(flags: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        _request(*flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--memory", "x"], 'invalid argument "x" for "-m, --memory" flag: invalid size: \'x\''),
        (["--stop-timeout", "x"], 'strconv.ParseInt: parsing "x": invalid syntax'),
        (["--health-interval", "1"], 'time: missing unit in duration "1"'),
        (["--mount", "type=bind"], "target is required"),
        (["--mount", "foo"], "invalid field 'foo' must be a key=value pair"),
        (["--mount", "type=volume,dst=/x,tmpfs-size=1"], "cannot mix 'tmpfs-*' options"),
        (["--ulimit", "nofile=3:1"], "must be less than or equal to hard limit: 3 > 1"),
        (["--ulimit", "foo=1"], "invalid ulimit type: foo"),
        (["--sysctl", "a.b=c"], "sysctl 'a.b=c' is not allowed"),
        (["--add-host", "x"], 'bad format for add-host: "x"'),
        (["--dns", "x"], "IP address is not correctly formatted: x"),
        (["--gpus", "count=x"], "count must be an integer"),
        (["--cpus", "x"], "failed to parse x as a rational number"),
        (["--device-read-bps", "foo"], "bad format: foo"),
        (["--device-cgroup-rule", "foo"], "invalid device cgroup format 'foo'"),
        (["--bogus"], "unknown flag: --bogus"),
    ],
)
def test_flag_errors(flags: list[str], message: str) -> None:
    with pytest.raises(FlagError) as caught:
        _request(*flags)
    assert message in str(caught.value)
    assert caught.value.exit_code == 125


def test_update_sends_what_is_asked() -> None:
    parser = Parser("pycompose container update", "")
    update.add_arguments(parser)
    args = parser.parse(["--cpus", "2", "-m", "3m", "--pids-limit", "-1", "x"], Namespace())
    assert update_body(args) == {"NanoCpus": 2 * 10**9, "Memory": 3 << 20, "PidsLimit": -1}
