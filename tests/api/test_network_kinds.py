"""Networks without IPv4 and configuration-only networks, as docker-py and published ports see them."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

_SERVER = ["sh", "-c", "echo served > /index.html; exec httpd -f -p 80 -h /"]


@pytest.fixture
def networks(client: docker.DockerClient) -> Iterator[Any]:
    """Creates networks by body, as the API has them; all are removed again, templates last."""
    made: list[str] = []

    def create(name: str, **body: Any) -> dict[str, Any]:
        answer = client.api._post_json(client.api._url("/networks/create"), data={"Name": name, **body})
        client.api._raise_for_status(answer)
        made.append(name)
        return dict(client.api.inspect_network(name))

    yield create
    for container in client.containers.list(all=True):
        with suppress(docker.errors.NotFound):
            container.remove(force=True)
    for name in reversed(made):
        with suppress(docker.errors.NotFound):
            client.api.remove_network(name)


def _get(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), 20) as connection:
        connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_without_ipv4(client: docker.DockerClient, networks: Any) -> None:
    shown = networks("six", EnableIPv4=False, EnableIPv6=True)
    assert shown["EnableIPv6"] and [one["Subnet"][:2] for one in shown["IPAM"]["Config"]] == ["fd"]
    web = client.containers.run("busybox", _SERVER, name="web", network="six", detach=True, ports={"80/tcp": None})
    web.reload()
    settings = web.attrs["NetworkSettings"]
    own = settings["Networks"]["six"]
    assert own["IPAddress"] == "" and own["GlobalIPv6Address"].startswith("fd") and own["DNSNames"]
    (bound,) = settings["Ports"]["80/tcp"]
    assert bound["HostIp"] == "::"
    port = int(bound["HostPort"])
    for address in ("::1", own["IPv6Gateway"]):
        assert b"served" in _get(address, port)
    with pytest.raises(ConnectionRefusedError):
        _get("127.0.0.1", port)
    seen = client.containers.run(
        "busybox", ["sh", "-c", "ip addr show eth0; wget -qO- http://web"], network="six", remove=True
    )
    assert b"served" in seen and b"inet6 fd" in seen and b"inet 1" not in seen


def test_ports_of_a_container_without_ipv4_are_at_ipv6_addresses_only(
    client: docker.DockerClient, networks: Any
) -> None:
    networks("six", EnableIPv4=False, EnableIPv6=True)
    ports: Any = {"80/tcp": ("127.0.0.1", 0), "81/tcp": ("::1", 0)}
    web = client.containers.run("busybox", _SERVER, network="six", detach=True, ports=ports)
    web.reload()
    shown = web.attrs["NetworkSettings"]["Ports"]
    assert not shown.get("80/tcp")
    assert [one["HostIp"] for one in shown["81/tcp"]] == ["::1"]


def test_a_network_made_from_a_template(client: docker.DockerClient, networks: Any) -> None:
    subnet = {"Subnet": "10.231.7.0/24", "Gateway": "10.231.7.9"}
    options = {"com.docker.network.driver.mtu": "1400"}
    shown = networks("template", ConfigOnly=True, IPAM={"Config": [subnet]}, Options=options, Labels={"a": "b"})
    assert shown["ConfigOnly"] and shown["Driver"] == "null"
    with pytest.raises(docker.errors.APIError, match="cannot create endpoint on configuration-only network"):
        client.containers.run("busybox", ["true"], network="template")
    shown = networks("made", ConfigFrom={"Network": "template"}, Internal=True)
    assert shown["ConfigFrom"] == {"Network": "template"} and not shown["ConfigOnly"]
    assert (shown["IPAM"]["Config"], shown["Options"], shown["Labels"]) == ([subnet], options, {"a": "b"})
    seen = client.containers.run("busybox", ["ip", "addr", "show", "eth0"], network="made", remove=True)
    assert b"mtu 1400" in seen and b"10.231.7.1/24" in seen
    with pytest.raises(docker.errors.APIError, match='configuration network "template" is in use by made'):
        client.api.remove_network("template")
    assert client.networks.prune()["NetworksDeleted"] == ["made"]  # what nobody can be on is not unused
    assert [one.name for one in client.networks.list(names=["template"])] == ["template"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"ConfigFrom": {"Network": "nosuch"}}, 404, 'configuration network "nosuch" does not exist'),
        ({"ConfigFrom": {"Network": "bridge"}}, 404, 'configuration network "bridge" does not exist'),
        ({"ConfigFrom": {"Network": "template"}, "EnableIPv6": True}, 403, "user specified configurations"),
        ({"ConfigFrom": {"Network": "template"}, "Options": {"a": "b"}}, 403, "network driver options"),
        ({"ConfigFrom": {"Network": "template"}, "ConfigOnly": True}, 403, "cannot depend on another"),
        ({"ConfigOnly": True, "Internal": True}, 403, "Network operator fields"),
        ({"ConfigOnly": True, "IPAM": {"Config": [{"Subnet": "x"}]}}, 400, "invalid CIDR address: x"),
        ({"EnableIPv4": False}, 400, "IPv4 or IPv6 must be enabled"),
    ],
)
def test_refused(networks: Any, body: dict[str, Any], status: int, words: str) -> None:
    networks("template", ConfigOnly=True)
    with pytest.raises(docker.errors.APIError, match=words) as caught:
        networks("refused", **body)
    assert caught.value.response.status_code == status
