"""A stack's addresses as variables, owners of leases as text, and reports of `pycompose test`."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.compose.app.addresses import environment, render
from pycompose.compose.app.owner import parse_owner, start_time
from pycompose.compose.app.testreport import RunReport, ServiceReport, as_json, as_junit
from pycompose.compose.cli.streams.foreground import run_command
from pycompose.compose.errors import UsageError
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions, Project
from pycompose.compose.plan.ephemeral import ephemeral, lost_addresses
from pycompose.compose.plan.ports_auto import LABEL, wants_auto, with_auto_ports
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.leases.record import Owner

if TYPE_CHECKING:
    from pathlib import Path


def listed(service: str, ports: list[dict[str, object]], address: str = "172.18.0.2") -> dict[str, object]:
    return {
        "Labels": {"com.docker.compose.service": service},
        "Ports": ports,
        "NetworkSettings": {"Networks": {"default": {"IPAddress": address}}},
        "HostConfig": {"NetworkMode": "default"},
    }


def test_published_ports() -> None:
    ports = [
        {"IP": "0.0.0.0", "PrivatePort": 5432, "PublicPort": 20001, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 5432, "PublicPort": 20001, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 20002, "Type": "udp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ]
    assert environment([listed("my-db", ports)]) == {
        "MY_DB_HOST": "127.0.0.1",
        "MY_DB_PORT": "20001",
        "MY_DB_53_UDP": "20002",
        "MY_DB_5432": "20001",
    }


def test_a_service_without_published_ports_is_reached_where_it_is() -> None:
    variables = environment([listed("db", [{"PrivatePort": 5432, "Type": "tcp"}])])
    assert variables == {"DB_HOST": "172.18.0.2", "DB_PORT": "5432", "DB_5432": "5432"}


def test_the_first_container_counts() -> None:
    port = {"IP": "127.0.0.1", "PrivatePort": 80, "Type": "tcp"}
    rows = [listed("web", [{**port, "PublicPort": number}]) for number in (20001, 20002)]
    assert environment(rows)["WEB_80"] == "20001"


def test_formats() -> None:
    variables = {"A": "1", "B": "x y"}
    assert render(variables, "shell") == "export A=1\nexport B='x y'"
    assert render(variables, "dotenv") == "A=1\nB=x y"
    assert json.loads(render(variables, "json")) == variables


def test_owners() -> None:
    me = os.getpid()
    assert parse_owner(f"pid:{me}") == {"pid": me, "starttime": start_time(me)}
    assert parse_owner("ttl:1m30s") == {"ttl": 90}
    reader, writer = os.pipe()
    assert parse_owner(f"fd:{reader}")["fd"] == reader
    os.close(reader)
    os.close(writer)
    for text in ("pid:x", "pid:999999999", "ttl:", "ttl:0s", "ttl:soon", f"fd:{reader}", "me", ""):
        with pytest.raises(UsageError):
            parse_owner(text)


@pytest.mark.parametrize(
    "body", [None, {}, {"pid": 0, "starttime": 1}, {"pid": True, "starttime": 1}, {"ttl": float("inf")}, {"ttl": -1}]
)
def test_the_engine_refuses_owners_that_are_none(body: object) -> None:
    with pytest.raises(InvalidParameter):
        Owner.parse(body, boot="b", now=0)


def project(**service: object) -> Project:
    from pathlib import Path

    return Project(
        "p",
        Path("/p"),
        (),
        {"web": service},
        networks={"back": {"name": "fixed"}, "theirs": {"name": "x", "external": True}},
        volumes={"data": {"name": "fixed"}},
    )


def test_automatic_ports_leave_only_the_host_port_open() -> None:
    port = {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp", "host_ip": "127.0.0.1"}
    web = with_auto_ports(project(ports=[port])).services["web"]
    assert web["ports"] == [{"mode": "ingress", "target": 80, "protocol": "tcp", "host_ip": "127.0.0.1"}]
    assert web["labels"] == {LABEL: "auto"}
    assert wants_auto(None, {"PYCOMPOSE_PORTS": "auto"}) and not wants_auto("fixed", {"PYCOMPOSE_PORTS": "auto"})
    with pytest.raises(UsageError):
        wants_auto("some", {})


def test_an_ephemeral_project_has_no_fixed_names() -> None:
    copy = ephemeral(project(container_name="db", networks={"back": None}))
    assert copy.services["web"] == {"networks": {"back": {"aliases": ["db"]}}}
    assert copy.networks["back"]["name"] == "p_back" and copy.networks["theirs"]["name"] == "x"
    assert copy.volumes["data"]["name"] == "p_data"


COPIED = """
name: p
services:
  web:
    image: i
    container_name: the-web
    networks: {net: {ipv4_address: 172.28.0.10, mac_address: "02:42:ac:11:00:03"}, lan: {ipv4_address: 10.9.0.5}}
  side:
    image: i
    network_mode: container:the-web
    pid: container:the-web
    ipc: container:stranger
    volumes_from: ["container:the-web:ro", "container:stranger"]
  old:
    image: i
    external_links: ["the-web:w2", "stranger"]
    dns: 172.28.0.10
    environment: {A: "172.28.0.100 10.9.0.5 1172.28.0.10"}
networks:
  net:
    driver_opts: {com.docker.network.bridge.name: br-fixed, a: b}
    ipam: {driver: default, config: [{subnet: 172.28.0.0/16, gateway: 172.28.0.1}]}
  lan: {driver: macvlan, ipam: {config: [{subnet: 10.9.0.0/24}]}}
  theirs: {external: true}
"""


def test_an_ephemeral_project_has_no_fixed_addresses(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COPIED)
    loaded = load_project(LoadOptions(cwd=tmp_path))
    copy = ephemeral(loaded)
    assert copy.networks["net"] == {"name": "p_net", "driver_opts": {"a": "b"}, "ipam": {"driver": "default"}}
    assert copy.networks["lan"]["ipam"] == {"config": [{"subnet": "10.9.0.0/24"}]}
    web, side, old = (copy.services[name] for name in ("web", "side", "old"))
    assert web["networks"]["net"] == {"mac_address": "02:42:ac:11:00:03", "aliases": ["the-web"]}
    assert web["networks"]["lan"] == {"ipv4_address": "10.9.0.5", "aliases": ["the-web"]}
    assert (side["network_mode"], side["pid"], side["ipc"]) == ("service:web", "service:web", "container:stranger")
    assert side["volumes_from"] == ["web:ro", "container:stranger"]
    assert old["links"] == ["web:w2"] and old["external_links"] == ["stranger"]
    assert lost_addresses(loaded) == [
        "service 'old' mentions 172.28.0.10, an address that a copy of the stack does not have"
    ]
    assert lost_addresses(copy) == []


@given(st.text(), st.text())
def test_any_output_makes_a_well_formed_report(log: str, problem: str) -> None:
    service = ServiceReport("web", "p-web-1", "exited", exit_code=1, logs=log)
    report = RunReport("p", ("true",), 0.5, problem, None if problem else 3, 0.25, (service,))
    suite = ElementTree.fromstring(as_junit(report).split("\n", 1)[1])
    assert suite.get("failures") == "1"
    assert json.loads(as_json(report))["services"][0]["logs"] == log


def test_the_end_of_a_command_is_heard_beside_threads_that_leave() -> None:
    """The kernel may give SIGCHLD to any thread; one that does not block it swallows it."""
    for _ in range(50):
        threading.Thread(target=time.sleep, args=(0.001,)).start()
        assert run_command(["sh", "-c", "exit 7"], os.environ) == 7
