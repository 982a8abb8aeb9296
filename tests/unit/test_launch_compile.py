"""From an OCI configuration to operations, as values: order, defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pycompose.engine.build.bundle import step_bundle
from pycompose.engine.build.steps import RunStep
from pycompose.engine.linux import caps, mount, namespace
from pycompose.engine.linux.cgroup import Hierarchies
from pycompose.engine.runtime import appearing, bundle, defaults, enter, filesystem, launch, operations, shields

GOLDEN = Path(__file__).parents[1] / "golden/data/launch_operations.txt"
HIERARCHIES = Hierarchies({"cpu": "/cg/cpu,cpuacct", "cpuacct": "/cg/cpu,cpuacct", "memory": "/cg/memory"}, None)


def document(**changes: Any) -> dict[str, Any]:
    """A launch.json as the engine writes it; ``changes`` as ``bundle__process__cwd=…``."""
    made: dict[str, Any] = {
        "id": "c" * 64,
        "bundle": {
            "root": {"path": "rootfs"},
            "hostname": "web",
            "mounts": [
                *defaults.mounts(),
                {"destination": "/data", "type": "bind", "source": "/srv/data", "options": ["rbind", "rro"]},
            ],
            "process": {
                "args": ["serve", "--port", "80"],
                "env": ["PATH=/bin"],
                "cwd": "/srv",
                "user": {},
                "capabilities": defaults.capabilities(),
                "noNewPrivileges": True,
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
            },
            "linux": {
                "namespaces": defaults.namespaces(),
                "resources": {"devices": defaults.device_rules(), "memory": {"limit": 1 << 20}},
                "sysctl": {"net.core.somaxconn": "1024"},
                "maskedPaths": list(defaults.MASKED_PATHS),
                "readonlyPaths": list(defaults.READONLY_PATHS),
                "cgroupsPath": "/pycompose-abc/c",
            },
        },
        "rootfs": {"lower": ["/l/2/fs", "/l/1/fs"], "upper": "/u", "work": "/w"},
        "user": "www:www",
        "log": {"directory": "/log"},
        "status": "/status.json",
        "control": "/shim.sock",
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = made
        for parent in parents:
            target = target[parent]
        target[last] = value
    return made


def compiled(host: launch.Host | None = None, seccomp: bytes = b"", **changes: Any) -> tuple[Any, ...]:
    spec = bundle.parse(document(**changes), "/run/c")
    return launch.compile_launch(spec, host or launch.Host(HIERARCHIES, 7), launch.Own(5), seccomp=seccomp)


def find(steps: tuple[Any, ...], kind: type) -> Any:
    """The one operation of this kind."""
    found = [step for step in steps if isinstance(step, kind)]
    assert len(found) == 1
    return found[0]


def test_golden_order(update_golden: bool) -> None:
    text = "".join(f"{step.describe()}\n" for step in compiled(seccomp=bytes(80)))
    if update_golden:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_death_signal_comes_last_but_one() -> None:
    steps = compiled(seccomp=bytes(8))
    kinds = [type(step) for step in steps]
    assert kinds[-2:] == [appearing.DieWithShim, operations.Execute]
    assert kinds.index(operations.NoNewPrivileges) < kinds.index(operations.LoadSeccomp)
    assert kinds.index(operations.LoadSeccomp) < kinds.index(operations.ChangeIdentity)
    assert kinds.index(shields.MaskPaths) < kinds.index(filesystem.PivotRoot)
    assert kinds.index(operations.JoinCgroup) < kinds.index(operations.Unshare)


def test_a_restart_by_policy_leaves_limits_alone() -> None:
    spec = bundle.parse(document(), "/run/c")
    steps = launch.compile_launch(spec, launch.Host(HIERARCHIES), launch.Own(5), limits=False)
    assert not any(isinstance(step, operations.LimitResources) for step in steps)
    assert any(isinstance(step, operations.JoinCgroup) for step in steps)


def test_sources_of_the_engine_itself_are_opened_in_its_own_namespace() -> None:
    mounts = [
        {"destination": "/a", "source": "/root/state/volumes/v/_data", "options": ["rbind"]},
        {"destination": "/b", "source": "/home/me", "options": ["bind"]},
        {"destination": "/c", "source": "/root/statement", "options": ["bind"]},
    ]
    host = launch.Host(HIERARCHIES, 7, ("/root/state", "/root/run"))
    sources = find(compiled(host, bundle__mounts=mounts), filesystem.OpenSources)
    assert sources.sources == (
        ("/root/state/volumes/v/_data", True, False),
        ("/home/me", False, True),
        ("/root/statement", False, True),
    )


def test_without_device_control_nobody_makes_or_opens_nodes() -> None:
    steps = compiled(launch.Host(HIERARCHIES, controls_devices=False))
    sets = find(steps, operations.ChangeIdentity).sets
    assert not (sets.bounding | sets.effective | sets.permitted) & caps.mask(["CAP_MKNOD"])
    assert find(steps, filesystem.Bind).attributes.recursive_set & mount.MOUNT_ATTR_NODEV
    root = [step for step in steps if isinstance(step, filesystem.SetAttributes) and step.destination == "/"]
    assert root[0].bits & mount.MOUNT_ATTR_NODEV
    allow_all = {"devices": [{"allow": True, "access": "rwm"}]}
    steps = compiled(launch.Host(HIERARCHIES, controls_devices=False), bundle__linux__resources=allow_all)
    assert find(steps, operations.ChangeIdentity).sets.bounding & caps.mask(["CAP_MKNOD"])


def test_comounted_cgroups_and_v2() -> None:
    step = find(compiled(), filesystem.MountCgroups)
    assert step.hierarchies == (
        ("cpu,cpuacct", "cpu,cpuacct", "/cg/cpu,cpuacct"),
        ("memory", "memory", "/cg/memory"),
    )
    assert step.unified is None
    step = find(compiled(launch.Host(Hierarchies({}, "/sys/fs/cgroup"))), filesystem.MountCgroups)
    assert (step.unified, step.private) == ("/sys/fs/cgroup", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bundle__linux__sysctl": {"kernel.panic": "1"}}, "not in a separate kernel namespace"),
        ({"bundle__linux__sysctl": {"net.core.x": "1"}, "network": {"mode": "host"}}, "host network namespace"),
        ({"bundle__linux__sysctl": {"net..x": "1"}}, "invalid sysctl"),
        ({"bundle__linux__sysctl": {"kernel.hostname": "x"}}, "conflicts with the OCI"),
        ({"bundle__linux__sysctl": {"kernel/panic": "1"}}, "not in a separate kernel namespace"),
        ({"bundle__linux__namespaces": [{"type": "user"}]}, "not supported"),
        ({"bundle__process__capabilities": {"bounding": ["CAP_FLY"]}}, "unknown capability"),
        (
            {"bundle__mounts": [{"destination": "/x", "source": "/y", "options": ["bind", "colour=blue"]}]},
            "unknown option 'colour=blue'",
        ),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compiled(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bundle__process__args": []}, "no command specified"),
        ({"network": {"mode": "carrier pigeon"}}, "unknown network mode"),
        ({"stop": {"signal": "SIGWHAT"}}, "invalid signal"),
        ({"restart": {"name": "no", "maximum_retry_count": 3}}, "maximum retry count"),
    ],
)
def test_malformed_launches(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundle.parse(document(**changes), "/run/c")


def test_the_extract_for_the_shim_survives_json() -> None:
    import json

    spec = bundle.parse(document(stop={"signal": "SIGWINCH", "timeout": 3}), "/run/c").for_shim()
    assert bundle.ShimSpec.parse(json.loads(json.dumps(spec))) == spec
    assert (spec.launch, spec.stop_signal, spec.pid_namespace) == ("/run/c/launch.json", 28, "new")


def test_exec_takes_what_the_container_has() -> None:
    spec = bundle.parse(document(), "/run/c")
    request = {
        "args": ["sh"],
        "env": ["A=b"],
        "cwd": "",
        "user": "",
        "additional_groups": [],
        "terminal": True,
        "rows": 24,
        "columns": 80,
        "capabilities": None,
        "privileged": False,
    }
    steps = enter.compile_exec(request, spec, launch.Host(HIERARCHIES), pidfd=9, seccomp=bytes(8))
    assert find(steps, operations.ResolveUser).user == "www:www"
    assert find(steps, operations.EnterDirectory).path == "/srv"
    assert find(steps, operations.LoadSeccomp).program == bytes(8)
    assert find(steps, operations.SetLimits).limits == (("RLIMIT_NOFILE", 1024, 4096),)
    assert isinstance(steps[-1], appearing.Appear)
    last = (operations.NewSession, appearing.DieWithShim, operations.Execute)
    assert tuple(type(step) for step in steps[-1].last) == last
    assert steps[-1].program == "sh"
    assert find(steps, operations.JoinContainer).flags & namespace.CLONE_NEWPID
    privileged = enter.compile_exec(
        {**request, "privileged": True}, spec, launch.Host(HIERARCHIES), pidfd=9, seccomp=bytes(8)
    )
    assert not any(isinstance(step, operations.LoadSeccomp | operations.NoNewPrivileges) for step in privileged)
    with pytest.raises(ValueError, match="No exec command"):
        enter.compile_exec({**request, "args": []}, spec, launch.Host(HIERARCHIES), pidfd=9, seccomp=b"")


def test_a_joined_pid_namespace_is_entered_last() -> None:
    spaces = [{"type": "mount"}, {"type": "network"}, {"type": "pid", "path": "/proc/7/ns/pid"}]
    steps = compiled(bundle__linux__namespaces=spaces, donors={"7": 70})
    joined = [step for step in steps if isinstance(step, operations.JoinNamespace) and step.kind == "pid"]
    assert joined == [operations.JoinNamespace("pid", "/proc/7/ns/pid", owner=(7, 70))]
    assert find(steps, filesystem.MountJoinedProc).owner == (7, 70)
    kinds = [type(step) for step in steps]
    assert kinds.index(operations.ChangeIdentity) < kinds.index(appearing.Appear) == len(kinds) - 1


def test_mount_options() -> None:
    parsed = mount.parse_options(["ro", "nosuid", "rw", "strictatime", "rbind", "rslave", "rro", "size=1m", "defaults"])
    assert parsed.set == mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_STRICTATIME
    assert parsed.clear == mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR__ATIME
    assert parsed.recursive_set == mount.MOUNT_ATTR_RDONLY
    assert parsed.propagation == ((mount.MS_SLAVE, True),)
    assert (parsed.bind, parsed.recursive_bind, parsed.data) == (True, True, ("size=1m",))


def test_secret_variables_of_a_step_stay_out_of_its_launch(tmp_path: Path) -> None:
    step = RunStep((), tmp_path, tmp_path, ["sh"], {"A": "a", "TOKEN": "confidential"}, frozenset({"TOKEN"}))
    made = document(bundle=step_bundle(step, {}, {}, (), cgroup="/c"), environment=str(tmp_path / "variables"))
    assert "confidential" not in str(made)
    assert "confidential" not in repr(step)
    (tmp_path / "variables").write_text('["TOKEN=confidential"]')
    spec = bundle.with_environment(bundle.parse(made, "/run/c"))
    assert spec.config["process"]["env"] == ["A=a", "TOKEN=confidential"]


def test_counters_of_heat_are_masked_where_there_are_any(tmp_path: Path) -> None:
    """As dockerd does from 28 on; a virtual machine has none."""
    for name in ("cpu0/thermal_throttle", "cpu1/cache", "cpu10/thermal_throttle", "cpufreq/thermal_throttle"):
        (tmp_path / "sys/devices/system/cpu" / name).mkdir(parents=True)
    found = set(defaults.masked_paths(str(tmp_path))) - set(defaults.MASKED_PATHS)
    assert found == {f"/sys/devices/system/cpu/cpu{number}/thermal_throttle" for number in (0, 10)}
    assert defaults.masked_paths(str(tmp_path / "nowhere")) == defaults.MASKED_PATHS
