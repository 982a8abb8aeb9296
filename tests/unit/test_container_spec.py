"""ContainerSpec: what a client asked for as values, each parsed once, whatever becomes of the record around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.containers.spec import container, fields
from pycompose.engine.containers.spec.container import ContainerSpec, Link, Mode
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.networks.types import EndpointRequest, PortBinding
from pycompose.engine.runtime.restart import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping


def spec(config: Mapping[str, Any] | None = None, networks: Any = None, **host: Any) -> ContainerSpec:
    return ContainerSpec(fields.config(config or {}), fields.host_config(host), networks or {})


def test_namespaces() -> None:
    assert Mode.parse("container:db") == Mode("container", "db") and Mode.parse("container:db").joins
    assert Mode.parse("host").is_host and not Mode.parse("host").joins
    assert Mode.parse("front:1") == Mode("front:1")
    made = spec(NetworkMode="container:db", IpcMode="shareable", PidMode="host", UTSMode="host")
    assert (made.network.donor, made.ipc.word, made.pid.is_host, made.own_uts) == ("db", "shareable", True, False)


def test_defaults_of_the_end() -> None:
    assert (spec().stop_signal, spec().stop_timeout, spec().restart) == (15, 10, Policy("no"))
    made = spec({"StopSignal": "RTMIN+3", "StopTimeout": 0}, RestartPolicy={"Name": "always", "Delay": 1_500_000_000})
    assert (made.stop_signal, made.stop_timeout, made.restart) == (37, 0, Policy("always", 0, 1.5))


def test_ports() -> None:
    asked = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostPort": "9000-9010"}], "53/udp": None}
    assert spec(PortBindings=asked).ports == (
        PortBinding(80, "tcp", "127.0.0.1", 8080),
        PortBinding(80, "tcp", "", 9000, 9010),
        PortBinding(53, "udp"),
    )
    for mode in ("host", "none", "container:x"):
        assert spec(PortBindings=asked, NetworkMode=mode).ports == ()


def test_all_exposed_ports_are_published_each_once_ranges_too() -> None:
    exposed: dict[str, Any] = {"ExposedPorts": {"80/tcp": {}, "8000-8002/udp": {}, "8001/tcp": {}}}
    made = spec(exposed, PublishAllPorts=True, PortBindings={"80/tcp": [{"HostPort": "1"}]})
    assert [(one.container_port, one.protocol, one.host_port) for one in made.ports] == [
        (80, "tcp", 1),
        *((number, "udp", 0) for number in (8000, 8001, 8002)),
        (8001, "tcp", 0),
    ]


def test_links_and_endpoints() -> None:
    made = spec(networks={"front": {"Aliases": ["www"]}, "back": {}}, Links=["db", "/cache:c"])
    assert made.links == (Link("db", ""), Link("/cache", "c"))
    assert made.endpoints == (EndpointRequest("front", ("www",)), EndpointRequest("back"))


@pytest.mark.parametrize(
    ("config", "host", "networks"),
    [
        ({}, {"SecurityOpt": ["what=1"]}, {}),
        ({}, {"CapAdd": ["FLY"]}, {}),
        ({"Healthcheck": {"Test": ["TCP", "port=0"]}}, {}, {}),
        ({}, {}, {"front": {"DriverOpts": {"com.docker.compose.priority": "high"}}}),
    ],
    ids=["security", "capability", "probe", "priority"],
)
def test_what_is_wrong_is_told_at_creation(config: Any, host: Any, networks: Any) -> None:
    with pytest.raises(InvalidParameter):
        spec(config, networks, **host).check()


def test_what_does_not_change_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    parse = container.security_options

    def counted(given: Any) -> Any:
        calls.append(given)
        return parse(given)

    monkeypatch.setattr(container, "security_options", counted)
    made = spec(SecurityOpt=["no-new-privileges"], RestartPolicy={"Name": "always"}, Links=["db"])
    made.check()
    assert made.restart.name == "always" and made.links == (Link("db", ""),)
    later = made.with_host({**made.host, "RestartPolicy": {"Name": "no"}, "Links": None})
    again = later.with_networks({"front": {}})
    assert again.security.no_new_privileges and calls == [["no-new-privileges"]]
    assert (again.restart.name, again.links, [one.network for one in again.endpoints]) == ("no", (), ["front"])


def test_the_image_brings_its_own_check() -> None:
    draft = spec({"Healthcheck": {"Test": ["CMD", "a"]}})
    assert draft.health is not None and draft.health.command == ("a",)
    merged = {**draft.config, "Healthcheck": {"Test": ["CMD", "a"], "Retries": 7}}
    assert draft.completed(merged, {}).health.retries == 7  # type: ignore[union-attr]
    assert draft.completed({**draft.config}, {}).health is draft.health


def test_specs_are_equal_by_what_was_asked() -> None:
    one, other = spec(CapAdd=["CHOWN"]), spec(CapAdd=["CHOWN"])
    assert one.capabilities and one == other


def test_a_capability_that_is_a_string_is_a_list_of_one() -> None:
    host = fields.host_config({"CapAdd": "NET_ADMIN", "CapDrop": "CHOWN"})
    assert (host["CapAdd"], host["CapDrop"]) == (["NET_ADMIN"], ["CHOWN"])
