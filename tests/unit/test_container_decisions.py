"""The pure parts of engine/containers: mounts, configuration merge, limits, health, states, times, keys, names."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.containers.life import health, healthstate, pump, state
from pycompose.engine.containers.spec import fields, healthcheck, merge, mounts, resources, security, validate
from pycompose.engine.containers.spec.container import ContainerSpec
from pycompose.engine.containers.spec.record import ContainerRecord, MemoryFile, MountPoint
from pycompose.engine.containers.view import top
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.shapes import normalize

HOST = normalize(fields.HOST_CONFIG, {}, "HostConfig")
CONFIG = normalize(fields.CONFIG, {}, "")


def host(**values: Any) -> dict[str, Any]:
    return normalize(fields.HOST_CONFIG, values, "HostConfig")


# bodies ----------------------------------------------------------------------------------------------------------------
def test_normalize_ignores_case_and_unknown_members() -> None:
    body = normalize(fields.CONFIG, {"image": "x", "Nonsense": 1, "Cmd": "echo"}, "")
    assert body["Image"] == "x" and body["Cmd"] == ["echo"] and "Nonsense" not in body


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Memory", "1"),
        ("Memory", True),
        ("Memory", 2**70),
        ("Memory", 1.5),
        ("Privileged", 1),
        ("Binds", "x"),
        ("Binds", [1]),
        ("Sysctls", {"a": 1}),
        ("LogConfig", []),
        ("Ulimits", [1]),
        ("NetworkMode", 5),
        ("ConsoleSize", ["a"]),
    ],
)
def test_wrong_types_are_refused(member: str, value: object) -> None:
    with pytest.raises(InvalidParameter, match=f"HostConfig.{member}"):
        host(**{member: value})


TEXT = st.text(max_size=5)
TEXT.validate()  # makes the table of all characters, which takes seconds of a busy machine, before the first input is timed


@given(
    st.dictionaries(
        st.sampled_from(sorted(fields.HOST_CONFIG)),
        st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3)),
        max_size=4,
    )
)
def test_normalize_gives_all_members_or_refuses(body: dict[str, Any]) -> None:
    try:
        values = host(**body)
    except InvalidParameter:
        return
    assert list(values) == list(fields.HOST_CONFIG)


def test_image_defaults_yield_to_the_client() -> None:
    image = {
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "Env": ["A=image", "B=image"],
        "Labels": {"l": "image", "m": "image"},
        "User": "web",
        "WorkingDir": "/srv",
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Retries": 9},
    }
    plain = merge.with_image(CONFIG, image)
    assert plain["Cmd"] == ["serve"] and plain["Entrypoint"] == ["/entry"] and plain["User"] == "web"
    wanted = normalize(
        fields.CONFIG,
        {"Cmd": ["c"], "Env": ["A=mine"], "Labels": {"l": "mine"}, "Healthcheck": {"Interval": 5}},
        "",
    )
    merged = merge.with_image(wanted, image)
    assert merged["Cmd"] == ["c"] and merged["Entrypoint"] == ["/entry"]
    assert merged["Env"] == ["A=mine", "B=image"]
    assert merged["Labels"] == {"l": "mine", "m": "image"}
    assert merged["Healthcheck"] == {"Test": ["CMD", "x"], "Interval": 5, "Retries": 9}
    entry = merge.with_image(normalize(fields.CONFIG, {"Entrypoint": ["e"]}, ""), image)
    assert entry["Entrypoint"] == ["e"] and entry["Cmd"] is None
    reset = merge.with_image(normalize(fields.CONFIG, {"Entrypoint": [""], "Cmd": ["c"]}, ""), image)
    assert not reset["Entrypoint"] and reset["Cmd"] == ["c"]
    with pytest.raises(InvalidParameter, match="no command specified"):
        merge.with_image(CONFIG, {})


# mounts ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a:/b", ("bind", "/a", "", "/b", True, "rprivate")),
        ("/a/../x:/b/:ro", ("bind", "/x", "", "/b", False, "rprivate")),
        ("/a:/b:ro,rslave", ("bind", "/a", "", "/b", False, "rslave")),
        ("name:/b", ("volume", "", "name", "/b", True, "")),
        ("/b", ("volume", "", "", "/b", True, "")),
    ],
)
def test_binds(text: str, expected: tuple[object, ...]) -> None:
    point = mounts.parse_bind(text)
    assert (point.type, point.source, point.name, point.destination, point.rw, point.propagation) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:",
        ":/b",
        "a:b",
        "/a:/",
        "/a:/b:nonsense",
        "/a:/b:ro,rw",
        "a/b:/c",
        "n:/b:shared",
        "/a:/b:ro:x",
        "n:/..",
    ],
)
def test_bad_binds(text: str) -> None:
    with pytest.raises(InvalidParameter):
        mounts.parse_bind(text)


def test_sources_of_mounts_and_their_precedence() -> None:
    config = normalize(fields.CONFIG, {"Volumes": {"/image": {}, "/bound": {}}}, "")
    donated = [mounts.parse_bind("/donor:/bound"), mounts.parse_bind("given:/given")]
    values = host(Binds=["/host:/bound"], Tmpfs={"/t": "exec"}, VolumesFrom=["other:ro"])
    found = {point.destination: point for point in mounts.collect(config, values, lambda ref: donated)}
    assert set(found) == {"/bound", "/given", "/image", "/t"}
    assert found["/bound"].source == "/host" and found["/bound"].rw
    assert found["/given"].name == "given" and not found["/given"].rw and found["/given"].no_copy
    assert found["/image"].anonymous
    assert "noexec" not in found["/t"].options and "nosuid" in found["/t"].options
    with pytest.raises(InvalidParameter, match="Duplicate mount point"):
        mounts.collect(config, host(Binds=["/a:/x", "/b:/x"]), lambda ref: ())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Type": "npipe", "Target": "/x"},
        {"Type": "bind", "Target": "/x"},
        {"Type": "bind", "Source": "x", "Target": "/x"},
        {"Type": "bind", "Source": "/x", "Target": "x"},
        {"Type": "bind", "Source": "/x", "Target": "/"},
        {"Type": "tmpfs", "Source": "/x", "Target": "/x"},
        {"Type": "volume", "Target": "/x", "ReadOnly": True},
        {"Type": "volume", "Target": "/x", "BindOptions": {}},
        {"Type": "volume", "Source": "v", "Target": "/x", "VolumeOptions": {"Subpath": "../y"}},
        {"Type": "bind", "Source": "/x", "Target": "/x", "BindOptions": {"Propagation": "sideways"}},
        {"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": -1}},
    ],
)
def test_bad_mounts(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        mounts.parse_mount(body)


# limits and security ---------------------------------------------------------------------------------------------------
def test_limits() -> None:
    found = resources.limits(host(Memory=64 << 20, NanoCpus=1_500_000_000, PidsLimit=5, CpusetCpus="0"))
    assert found["memory"] == {"limit": 64 << 20, "swap": 128 << 20}
    assert found["cpu"] == {"period": 100_000, "quota": 150_000, "cpus": "0"}
    assert found["pids"] == {"limit": 5}
    assert resources.limits(HOST) == {}


def test_capability_sets() -> None:
    default = security.capabilities(None, None, privileged=False)
    assert len(default) == 14 and "CAP_SYS_ADMIN" not in default
    assert security.capabilities(["ALL"], ["SYS_ADMIN"], privileged=False) == tuple(
        name for name in security.CAPABILITIES if name != "CAP_SYS_ADMIN"
    )
    assert security.capabilities(["net_raw"], ["all"], privileged=False) == ("CAP_NET_RAW",)
    assert security.capabilities(None, ["ALL"], privileged=True) == security.CAPABILITIES


def test_a_restart_policy_is_completed_and_nothing_is_changed() -> None:
    assert validate.restart_policy({}) == {"Name": "no", "MaximumRetryCount": 0}
    given = {"Name": "always", "MaximumRetryCount": 3, "Delay": 5, "Window": None}
    assert validate.restart_policy(given) == {"Name": "always", "MaximumRetryCount": 3, "Delay": 5}
    for bad in ({"Name": "never"}, {"Name": "always", "MaximumRetryCount": 1}, {"Name": "on-failure", "Delay": -1}):
        with pytest.raises(InvalidParameter):
            validate.restart_policy(bad)
    before = host(RestartPolicy={"Name": ""}, Memory=64 << 20)
    kept = deepcopy(before)
    validate.host_config(before, CONFIG)
    assert before == kept
    with pytest.raises(InvalidParameter, match="AutoRemove"):
        validate.host_config(host(AutoRemove=True, RestartPolicy={"Name": "always"}), CONFIG)


def test_values_of_the_shared_grammars() -> None:
    assert validate.exposed_port("1-3/TCP") == (1, 3, "tcp")
    assert validate.signal_number("sigterm") == 15
    for signal in ("65", "SIG_SETMASK", ""):
        with pytest.raises(InvalidParameter, match="Invalid signal"):
            validate.signal_number(signal)
    with pytest.raises(InvalidParameter, match="invalid protocol"):
        validate.exposed_port("80/icmp")
    with pytest.raises(InvalidParameter, match="invalid value for memory: invalid suffix: 'ki'"):
        validate.size("10ki", "memory")
    validate.host_config(host(Sysctls={"net.ipv4.conf.eno2/100.rp_filter": "1"}), CONFIG)
    with pytest.raises(InvalidParameter, match="invalid sysctl"):
        validate.host_config(host(Sysctls={"net..x": "1"}), CONFIG)


@given(st.integers(0, 2**40))
def test_sizes_in_bytes_are_themselves(size: int) -> None:
    assert validate.size(str(size), "x") == size


# health ----------------------------------------------------------------------------------------------------------------
CHECK = healthcheck.Check(("x",), interval=10, start_period=0, retries=3)


def probe(code: int) -> healthstate.Probe:
    return healthstate.Probe(0, 0, code, "")


def test_probes_come_early_and_ever_less_often() -> None:
    delays = [health.next_delay(CHECK, healthstate.Health(), age / 10) for age in range(2000)]
    assert delays[0] == health.FIRST_DELAY and delays == sorted(delays) and delays[-1] == CHECK.interval
    assert health.next_delay(CHECK, healthstate.Health("healthy"), 1) == CHECK.interval


def test_early_failures_count_no_more_often_than_dockers_schedule() -> None:
    found = healthstate.Health()
    moments = [0.05, 0.2, 1, 5, 9.9]
    for age in moments:
        found = found.after(CHECK, probe(1), age)
    assert found.streak == 0 and found.status == "starting"
    for age in (10, 12, 20, 25, 29):
        found = found.after(CHECK, probe(1), age)
    assert found.streak == 2 and found.status == "starting"
    assert found.after(CHECK, probe(1), 30).status == "unhealthy"


def test_failures_within_the_start_period_are_free() -> None:
    check = healthcheck.Check(("x",), interval=1, start_period=60, retries=1)
    found = healthstate.Health()
    for age in range(60):
        found = found.after(check, probe(1), age)
    assert (found.status, found.streak) == ("starting", 0)
    assert found.after(check, probe(0), 60).status == "healthy"
    assert found.after(check, probe(1), 61).status == "unhealthy"


def test_a_success_in_the_start_period_ends_it() -> None:
    check = healthcheck.Check(("x",), interval=1, start_period=60, retries=2)
    found = healthstate.Health().after(check, probe(0), 1).after(check, probe(1), 2).after(check, probe(1), 3)
    assert found.status == "unhealthy"


def test_the_log_keeps_the_last_five() -> None:
    found = healthstate.Health()
    for code in range(9):
        found = found.after(CHECK, probe(code), code)
    assert [entry.exit_code for entry in found.log] == [4, 5, 6, 7, 8]
    assert healthstate.Health.from_body(found.body()) == found


# words -----------------------------------------------------------------------------------------------------------------
def test_status_texts() -> None:
    second = 1_000_000_000
    running = state.State("running", started_at=0)
    assert state.status_text(running, 90 * second) == "Up About a minute"
    assert state.status_text(running, 5 * second, "healthy") == "Up 5 seconds (healthy)"
    assert state.status_text(running, 5 * second, "starting") == "Up 5 seconds (health: starting)"
    assert state.status_text(state.State(), 0) == "Created"
    ended = state.State("exited", exit_code=3, started_at=0, finished_at=0)
    assert state.status_text(ended, 7200 * second) == "Exited (3) 2 hours ago"


# detach keys -----------------------------------------------------------------------------------------------------------
@given(st.lists(st.binary(max_size=4), max_size=8))
def test_bytes_without_the_keys_pass_unchanged(pieces: list[bytes]) -> None:
    keys = pump.DetachKeys(b"\x10\x11")
    text = b"".join(pieces)
    if b"\x10\x11" in text or text.endswith(b"\x10"):
        return
    assert b"".join(keys.feed(piece) for piece in pieces) == text


def test_detach_keys_across_pieces() -> None:
    keys = pump.DetachKeys(pump.parse_keys("ctrl-a,b"))
    assert keys.feed(b"x\x01") == b"x"
    assert keys.feed(b"c") == b"\x01c"
    keys.feed(b"\x01")
    with pytest.raises(pump.Detached):
        keys.feed(b"b")
    with pytest.raises(InvalidParameter):
        pump.parse_keys("ctrl-ab")


# top -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        ("-ef", ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]),
        ("aux", ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]),
        ("-o pid,comm", ["PID", "COMMAND"]),
        ("-eo pid,user=WHO", ["PID", "WHO"]),
        ("", ["PID", "TTY", "TIME", "CMD"]),
    ],
)
def test_columns_of_ps(arguments: str, titles: list[str]) -> None:
    assert [title for title, _ in top.columns(arguments)] == titles


def test_names_are_sayable() -> None:
    from pycompose.engine.containers.spec import names

    assert re.fullmatch(r"[a-z]+_[a-z]+", names.unused(lambda name: False))
    taken = iter([True, False])
    assert re.fullmatch(r"[a-z]+_[a-z]+\d+", names.unused(lambda name: next(taken)))


def test_a_record_comes_back_from_the_store_as_it_was() -> None:
    """Through text, as in the database, with everything that is nested in it."""
    record = ContainerRecord(
        "a" * 64,
        "web",
        1,
        "sha256:1",
        ContainerSpec({"Env": ["A=1"], "Labels": {"x": "y"}}, {"Binds": None}, {"front": {"Aliases": ["web"]}}),
        mounts=(MountPoint("volume", "/data", name="v", options=("noexec",)), MountPoint("tmpfs", "/tmp")),
        layers=("sha256:2",),
        files=(MemoryFile("/run/secrets/x", 1, 2, 0o400),),
        error="no",
        exit_code=127,
    )
    assert ContainerRecord.from_body(json.loads(json.dumps(record.body()))) == record
