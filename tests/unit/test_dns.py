from __future__ import annotations

import json
import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.runtime import dns, dnsmessage, dnsupstream
from pycompose.engine.runtime.dns import DnsServer
from pycompose.engine.runtime.dnsmessage import (
    AAAA,
    ANY,
    NXDOMAIN,
    PTR,
    REFUSED,
    SERVFAIL,
    A,
    MalformedError,
    parse_query,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LABEL = st.text("abcxyz0123-_", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


def ask(name: str, kind: int = A, identifier: int = 0x1234, edns: int | None = None, klass: int = 1) -> bytes:
    wire = dnsmessage.encode_name(name) if name else b"\0"
    assert wire is not None
    packet = struct.pack(">HHHHHH", identifier, 0x0100, 1, 0, 0, int(edns is not None)) + wire
    packet += struct.pack(">HH", kind, klass)
    return packet + (b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns is not None else b"")


def answers(packet: bytes) -> list[tuple[int, int, bytes]]:
    """(type, ttl, data) of a reply whose names are pointers to the question."""
    count = struct.unpack_from(">H", packet, 6)[0]
    offset = packet.index(b"\0", 12) + 5
    found = []
    for _ in range(count):
        pointer, kind, _, ttl, length = struct.unpack_from(">HHHIH", packet, offset)
        assert pointer == 0xC00C
        offset += 12
        found.append((kind, ttl, packet[offset : offset + length]))
        offset += length
    return found


def addresses(packet: bytes) -> list[str]:
    families = {4: socket.AF_INET, 16: socket.AF_INET6}
    return [socket.inet_ntop(families[len(data)], data) for _, _, data in answers(packet)]


# The codec


@given(NAME, st.integers(0, 65535), st.integers(0, 65535), st.none() | st.integers(0, 65535))
def test_a_query_is_read_as_written(name: str, kind: int, identifier: int, edns: int | None) -> None:
    query = parse_query(ask(name, kind, identifier, edns))
    assert (query.name, query.kind, query.identifier, query.klass) == (name.lower(), kind, identifier, 1)
    assert query.udp_size == max(512, edns or 0)
    assert query.edns is (edns is not None)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_query_or_malformed(packet: bytes) -> None:
    try:
        query = parse_query(packet)
    except MalformedError:
        reply = dnsmessage.malformed_reply(packet)
        assert reply is None or len(reply) == 12
        return
    assert dnsmessage.answers_query(dnsmessage.reply(query, 0), query.identifier, query.question)


@given(NAME, st.data())
def test_damaged_queries(name: str, data: st.DataObject) -> None:
    packet = bytearray(ask(name, edns=1232))
    packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(packet[: data.draw(st.integers(0, len(packet)))])
    for candidate in (bytes(packet), cut):
        try:
            parse_query(candidate)
        except MalformedError:
            continue


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x40" + b"a" * 64 + b"\0", (b"\x3f" + b"a" * 63) * 4 + b"\0", b"\x05ab", b""],
)
def test_names_that_are_refused(name: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_query(struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + name + b"\0\x01\0\x01")


def test_a_dot_inside_a_label_is_no_separator() -> None:
    packet = struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x04db.x\x00\x00\x01\x00\x01"
    assert parse_query(packet).name is None


@given(NAME, st.lists(st.binary(min_size=4, max_size=4), max_size=80), st.integers(512, 1300))
def test_a_reply_keeps_its_limit(name: str, found: list[bytes], limit: int) -> None:
    query = parse_query(ask(name, edns=1232))
    packet = dnsmessage.reply(query, 0, [dnsmessage.Answer(A, data) for data in found], 600, limit)
    assert len(packet) <= limit
    assert [data for _, _, data in answers(packet)] == found[: len(answers(packet))]
    assert dnsmessage.truncated(packet) is (len(answers(packet)) < len(found))


@given(st.ip_addresses())
def test_reverse_names(address: object) -> None:
    name = address.reverse_pointer  # type: ignore[attr-defined]
    assert dnsmessage.reverse_address(name) == address.packed  # type: ignore[attr-defined]
    assert dnsmessage.reverse_address("x." + name) is None
    assert dnsmessage.reverse_address(name.partition(".")[2]) is None


@given(st.text(max_size=300))
def test_encode_name(name: str) -> None:
    wire = dnsmessage.encode_name(name)
    assert wire is None or len(wire) <= 255


# The server


class Upstream:
    """A name server of the test: ``behave(query, by_tcp)`` gives the packets to send back."""

    def __init__(self, behave: Callable[[bytes, bool], list[bytes]]) -> None:
        self.behave = behave
        self.asked: list[tuple[bytes, bool, tuple[str, int]]] = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1#{self.udp.getsockname()[1]}"
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(self.udp.getsockname())
        self.tcp.listen()
        self.stop, self.stopper = os.pipe()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            sources: list[Any] = [self.udp, self.tcp, self.stop]
            ready = select.select(sources, [], [])[0]
            if self.stop in ready:
                return
            if self.udp in ready:
                packet, peer = self.udp.recvfrom(65535)
                self.asked.append((packet, False, peer))
                for reply in self.behave(packet, False):
                    self.udp.sendto(reply, peer)
            if self.tcp in ready:
                connection, peer = self.tcp.accept()
                with connection, connection.makefile("rb") as stream:
                    packet = stream.read(int.from_bytes(stream.read(2), "big"))
                    self.asked.append((packet, True, peer))
                    for reply in self.behave(packet, True):
                        connection.sendall(len(reply).to_bytes(2, "big") + reply)

    def close(self) -> None:
        os.close(self.stopper)
        self.thread.join()
        os.close(self.stop)
        self.udp.close()
        self.tcp.close()


def answer(packet: bytes, *data: bytes, code: int = 0, kind: int = A) -> bytes:
    query = parse_query(packet)
    return dnsmessage.reply(query, code, [dnsmessage.Answer(kind, item) for item in data], 60)


class Resolver:
    """The server under test with its files, its loop run by the test itself."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.zone = directory / "zone.json"
        self.config = directory / "resolver.json"
        self.upstreams: list[Upstream] = []
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        self.udp_address, self.tcp_address = udp.getsockname(), tcp.getsockname()
        self.server = DnsServer(udp, tcp, str(self.config))
        self.poller = select.poll()
        self.server.register(self.poller)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.udp_address)
        self.poller.register(self.client, select.POLLIN)

    def write(self, path: Path, content: object) -> None:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content))
        temporary.rename(path)

    def upstream(self, behave: Callable[[bytes, bool], list[bytes]]) -> Upstream:
        self.upstreams.append(Upstream(behave))
        return self.upstreams[-1]

    def turn(self, fd: int, timeout: float = 5.0) -> bool:
        """Run the loop until ``fd`` is readable."""
        until = time.monotonic() + timeout
        while (now := time.monotonic()) < until:
            deadline = min(until, self.server.next_deadline() or until)
            ready = self.poller.poll(max(0.0, deadline - now) * 1000 + 1)
            for number, events in ready:
                if self.server.handles(number):
                    self.server.handle(number, events)
            self.server.expire(time.monotonic())
            if any(number == fd for number, _ in ready):
                return True
        return False

    def ask(self, *question: object, **options: object) -> bytes:
        self.client.send(ask(*question, **options))
        assert self.turn(self.client.fileno())
        return self.client.recv(65535)

    def ask_tcp(self, *packets: bytes) -> list[bytes]:
        with socket.create_connection(self.tcp_address) as connection:
            connection.sendall(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))
            self.poller.register(connection, select.POLLIN)
            replies: list[bytes] = []
            received = b""
            while len(replies) < len(packets):
                assert self.turn(connection.fileno())
                received += connection.recv(65535)
                while len(received) >= 2 and len(received) >= 2 + int.from_bytes(received[:2], "big"):
                    length = int.from_bytes(received[:2], "big")
                    replies.append(received[2 : 2 + length])
                    received = received[2 + length :]
            self.poller.unregister(connection)
            return replies

    def close(self) -> None:
        self.server.close()
        self.client.close()
        for upstream in self.upstreams:
            upstream.close()


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[Resolver]:
    resolver = Resolver(tmp_path)
    resolver.write(
        resolver.zone,
        {
            "network": "n1",
            "name": "Shop_default",
            "names": {
                "db": ["172.18.0.2", "fd00::2"],
                "web": ["172.18.0.3"],
                "pool": ["172.18.0.4", "172.18.0.5", "172.18.0.6"],
                "many": [f"172.18.1.{number}" for number in range(100)],
            },
            "reverse": {"172.18.0.2": "shop-db-1.shop_default", "fd00::2": "shop-db-1.shop_default"},
        },
    )
    resolver.write(
        resolver.config,
        {"networks": [str(resolver.zone)], "names": {"link": ["10.0.0.9"]}, "servers": [], "search": [], "options": []},
    )
    yield resolver
    resolver.close()


def use(resolver: Resolver, *servers: str, options: tuple[str, ...] = ()) -> None:
    content = json.loads(resolver.config.read_text())
    resolver.write(resolver.config, content | {"servers": servers, "options": options})


def test_known_names(resolver: Resolver) -> None:
    reply = resolver.ask("DB")
    assert answers(reply) == [(A, 600, bytes([172, 18, 0, 2]))]
    assert reply[12:16] == b"\x02DB\0"
    assert reply[:2] == b"\x12\x34"
    assert addresses(resolver.ask("db", AAAA)) == ["fd00::2"]
    assert addresses(resolver.ask("db", ANY)) == ["172.18.0.2", "fd00::2"]
    assert addresses(resolver.ask("db.shop_default")) == ["172.18.0.2"]
    assert addresses(resolver.ask("link")) == ["10.0.0.9"]


@pytest.mark.parametrize("kind", [AAAA, 15, 16, 65])
def test_a_known_name_without_such_data(resolver: Resolver, kind: int) -> None:
    reply = resolver.ask("web", kind)
    assert dnsmessage.code(reply) == 0
    assert answers(reply) == []


def test_round_robin(resolver: Resolver) -> None:
    firsts = {addresses(resolver.ask("pool"))[0] for _ in range(3)}
    assert len(firsts) == 3


def test_reverse(resolver: Resolver) -> None:
    expected = dnsmessage.encode_name("shop-db-1.shop_default")
    assert answers(resolver.ask("2.0.18.172.in-addr.arpa", PTR)) == [(PTR, 600, expected)]
    name = "2." + "0." * 27 + "0.0.d.f.ip6.arpa"
    assert answers(resolver.ask(name, PTR)) == [(PTR, 600, expected)]


def test_truncation_and_tcp(resolver: Resolver) -> None:
    reply = resolver.ask("many")
    assert len(reply) <= 512
    assert dnsmessage.truncated(reply)
    assert len(addresses(resolver.ask("many", edns=4096))) == 100
    first, second = resolver.ask_tcp(ask("many"), ask("db"))
    assert len(addresses(first)) == 100
    assert addresses(second) == ["172.18.0.2"]


def test_files_are_read_again(resolver: Resolver) -> None:
    resolver.ask("db")
    resolver.write(resolver.zone, {"name": "n", "names": {"db": ["172.18.0.77"]}})
    assert addresses(resolver.ask("db")) == ["172.18.0.77"]
    resolver.zone.write_text("{ not json")
    assert addresses(resolver.ask("db")) == ["172.18.0.77"]
    resolver.zone.unlink()
    assert dnsmessage.code(resolver.ask("db")) == NXDOMAIN


def test_no_upstream(resolver: Resolver) -> None:
    assert dnsmessage.code(resolver.ask("nobody")) == NXDOMAIN
    assert dnsmessage.code(resolver.ask("example.org")) == SERVFAIL


def test_forwarding(resolver: Resolver) -> None:
    upstream = resolver.upstream(lambda packet, tcp: [answer(packet, b"\x01\x02\x03\x04")])
    use(resolver, upstream.address)
    for _ in range(4):
        assert addresses(resolver.ask("example.org", edns=1232)) == ["1.2.3.4"]
    packets = [packet for packet, _, _ in upstream.asked]
    assert len({packet[:2] for packet in packets}) > 1
    assert len({peer[1] for _, _, peer in upstream.asked}) > 1
    assert all(parse_query(packet).udp_size == 1232 for packet in packets)
    assert resolver.server.next_deadline() is None


def test_ndots_keeps_single_labels_here(resolver: Resolver) -> None:
    upstream = resolver.upstream(lambda packet, tcp: [answer(packet, b"\x01\x02\x03\x04")])
    use(resolver, upstream.address)
    assert addresses(resolver.ask("nobody")) == ["1.2.3.4"]
    use(resolver, upstream.address, options=("ndots:2",))
    assert dnsmessage.code(resolver.ask("nobody")) == NXDOMAIN
    assert addresses(resolver.ask("example.org")) == ["1.2.3.4"]


def test_forged_answers_are_passed_over(resolver: Resolver) -> None:
    def behave(packet: bytes, tcp: bool) -> list[bytes]:
        true = answer(packet, b"\x01\x02\x03\x04")
        other = answer(ask("evil.org", identifier=int.from_bytes(packet[:2], "big")), b"\x06\x06\x06\x06")
        wrong = dnsmessage.with_identifier(true, int.from_bytes(packet[:2], "big") ^ 1)
        return [b"", b"\0", packet, other, wrong, true]

    use(resolver, resolver.upstream(behave).address)
    assert addresses(resolver.ask("example.org")) == ["1.2.3.4"]


def test_failover(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsupstream, "ATTEMPT_TIMEOUT", 0.1)
    silent = resolver.upstream(lambda packet, tcp: [])
    failing = resolver.upstream(lambda packet, tcp: [answer(packet, code=SERVFAIL)])
    good = resolver.upstream(lambda packet, tcp: [answer(packet, b"\x01\x02\x03\x04")])
    use(resolver, silent.address, failing.address, good.address)
    assert addresses(resolver.ask("example.org")) == ["1.2.3.4"]
    # The silent one is asked last now.
    assert addresses(resolver.ask("example.org")) == ["1.2.3.4"]
    assert len(silent.asked) == 1
    assert len(failing.asked) == 2


def test_all_servers_fail(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsupstream, "ATTEMPT_TIMEOUT", 0.05)
    silent = resolver.upstream(lambda packet, tcp: [])
    use(resolver, silent.address)
    assert dnsmessage.code(resolver.ask("example.org")) == SERVFAIL
    assert len(silent.asked) == dnsupstream.ATTEMPTS
    refusing = resolver.upstream(lambda packet, tcp: [answer(packet, code=REFUSED)])
    use(resolver, refusing.address, "127.0.0.1#1", "no address")
    assert dnsmessage.code(resolver.ask("example.org")) == REFUSED


def test_a_truncated_answer(resolver: Resolver) -> None:
    def behave(packet: bytes, tcp: bool) -> list[bytes]:
        if tcp:
            return [answer(packet, *[b"\x01\x02\x03\x04"] * 100)]
        return [dnsmessage.truncate(answer(packet), parse_query(packet).question)]

    use(resolver, resolver.upstream(behave).address)
    assert dnsmessage.truncated(resolver.ask("big.example.org"))
    (reply,) = resolver.ask_tcp(ask("big.example.org"))
    assert len(answers(reply)) == 100


def test_too_many_queries_at_once(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsupstream, "MAX_FORWARDS", 3)
    use(resolver, resolver.upstream(lambda packet, tcp: []).address)
    for identifier in range(4):
        resolver.client.send(ask("example.org", identifier=identifier))
    assert resolver.turn(resolver.client.fileno())
    reply = resolver.client.recv(512)
    assert (reply[:2], dnsmessage.code(reply)) == (b"\0\x03", SERVFAIL)
    assert addresses(resolver.ask("db")) == ["172.18.0.2"]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (ask("db", klass=3), REFUSED),
        (b"\x12\x34\x28\0" + ask("db")[4:], dnsmessage.NOTIMP),
        (b"\x12\x34\0\0\0\x02" + ask("db")[6:], dnsmessage.FORMERR),
        (ask("db") + b"x" * 5000, dnsmessage.FORMERR),
    ],
)
def test_odd_queries(resolver: Resolver, packet: bytes, code: int) -> None:
    resolver.client.send(packet)
    assert resolver.turn(resolver.client.fileno())
    reply = resolver.client.recv(512)
    assert (reply[:2], dnsmessage.code(reply)) == (b"\x12\x34", code)


def test_garbage_and_responses_get_no_reply(resolver: Resolver) -> None:
    for packet in (b"", b"x", answer(ask("db"))):
        resolver.client.send(packet)
    assert not resolver.turn(resolver.client.fileno(), 0.1)
    assert addresses(resolver.ask("db")) == ["172.18.0.2"]


def test_tcp_clients_are_bounded(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "MAX_CLIENTS", 2)
    monkeypatch.setattr(dns, "CLIENT_TIMEOUT", 0.1)
    idle = [socket.create_connection(resolver.tcp_address) for _ in range(2)]
    for connection in idle:
        resolver.poller.register(connection, select.POLLIN)
    # Both are dropped when their time is over; meanwhile a third is not taken.
    with socket.create_connection(resolver.tcp_address) as third:
        resolver.poller.register(third, select.POLLIN)
        assert resolver.turn(third.fileno(), 0.05)
        assert third.recv(1) == b""
        resolver.poller.unregister(third)
    assert resolver.turn(idle[1].fileno())
    for connection in idle:
        assert connection.recv(1) == b""
        resolver.poller.unregister(connection)
        connection.close()
    assert len(resolver.ask_tcp(ask("db"))) == 1
