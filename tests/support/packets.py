"""Packets as an attacker makes them, put on a link as they are, and a server that remembers what reached it."""

from __future__ import annotations

import fcntl
import socket
import struct
import threading
from ipaddress import ip_address

_UDP = 17
_ICMP6 = 58
_SIOCGIFHWADDR = 0x8927


def datagram(source: str, target: str, port: int, payload: bytes, source_port: int = 4242) -> bytes:
    """An IP packet with a UDP datagram, with whatever addresses."""
    sender, receiver = ip_address(source), ip_address(target)
    length = 8 + len(payload)
    pseudo = sender.packed + receiver.packed + struct.pack("!HH", _UDP, length)
    body = struct.pack("!HHHH", source_port, port, length, 0) + payload
    check = _checksum(pseudo + body) or 0xFFFF
    body = body[:6] + struct.pack("!H", check) + body[8:]
    if sender.version == 6:
        return struct.pack("!IHBB", 6 << 28, length, _UDP, 64) + sender.packed + receiver.packed + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, _UDP, 0) + sender.packed + receiver.packed
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body


def advertisement(source: str, prefix: str) -> bytes:
    """A router advertisement (RFC 4861): be my neighbours' default route, and have an address of this /64."""
    sender, receiver = ip_address(source).packed, ip_address("ff02::1").packed
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 9000, 9000, 0) + ip_address(prefix).packed
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 9000, 0, 0) + option
    pseudo = sender + receiver + struct.pack("!II", len(body), _ICMP6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), _ICMP6, 255) + sender + receiver + body


def claim(link: str, address: str, target: str) -> None:
    """Say to everybody on a link, and to ``target``, that an address is ours: ARP's answers and requests, or a neighbour advertisement
    that overrides what was known."""
    own = bytes.fromhex(hardware_address(link).replace(":", ""))
    claimed, asked = ip_address(address).packed, ip_address(target).packed
    if len(claimed) == 4:
        for operation in (1, 2):
            head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
            send_frame(link, b"\xff" * 6, own, 0x0806, head + own + claimed + bytes(6) + asked)
        return
    receiver = ip_address("ff02::1").packed
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + claimed + b"\x02\x01" + own
    _send_icmp6(link, own, claimed, receiver, body)


def redirect(link: str, router: str, victim: str, target: str, better: str) -> None:
    """As the router: what ``victim`` sends to ``target`` goes by ``better`` from now on (RFC 792)."""
    own = bytes.fromhex(hardware_address(link).replace(":", ""))
    told = datagram(victim, target, 9, b"")
    body = struct.pack("!BBH", 5, 1, 0) + ip_address(better).packed + told
    body = body[:2] + struct.pack("!H", _checksum(body)) + body[4:]
    addresses = ip_address(router).packed + ip_address(victim).packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0) + addresses
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    send_frame(link, b"\xff" * 6, own, 0x0800, head + body)


def disguised(link: str, hardware: str, packet: bytes, first_hop: str) -> None:
    """The same packet (datagram, IPv4) in forms that a filter may overlook: with VLAN tags, to everybody, in fragments, inside another
    packet, and by a route of its own choice from ``first_hop`` on (RFC 791)."""
    own, target = (bytes.fromhex(one.replace(":", "")) for one in (hardware_address(link), hardware))
    for tag in (0, 7):
        send_frame(link, target, own, 0x8100, struct.pack("!HH", tag, 0x0800) + packet)
    send_frame(link, b"\xff" * 6, own, 0x0800, packet)
    source, destination, body = packet[12:16], packet[16:20], packet[20:]
    hop = ip_address(first_hop).packed
    for kind in (0x83, 0x89):
        options = bytes((kind, 7, 4)) + destination + b"\0"
        send_frame(link, target, own, 0x0800, _ipv4(source, hop, body, _UDP, options=options))
    for offset, piece in ((0x2000, body[:8]), (1, body[8:])):
        send_frame(link, target, own, 0x0800, _ipv4(source, destination, piece, _UDP, offset))
    for protocol, head in ((4, b""), (47, struct.pack("!HH", 0, 0x0800))):
        send_frame(link, target, own, 0x0800, _ipv4(source, hop, head + packet, protocol))


def _ipv4(source: bytes, target: bytes, body: bytes, protocol: int, fragment: int = 0, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    head = (
        struct.pack("!BBHHHBBH", 0x40 | words, 0, 4 * words + len(body), 77, fragment, 64, protocol, 0)
        + source
        + target
        + options
    )
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body


def send_frame(link: str, target: bytes, source: bytes, kind: int, payload: bytes) -> None:
    """Put a frame on a link, with whatever hardware addresses."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link, 0))
        raw.send(target + source + struct.pack("!H", kind) + payload.ljust(46, b"\0"))


def _send_icmp6(link: str, own: bytes, sender: bytes, receiver: bytes, body: bytes) -> None:
    pseudo = sender + receiver + struct.pack("!II", len(body), _ICMP6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    packet = struct.pack("!IHBB", 6 << 28, len(body), _ICMP6, 255) + sender + receiver + body
    send_frame(link, bytes.fromhex("333300000001"), own, 0x86DD, packet)


def send(link: str, hardware_address: str, packet: bytes) -> None:
    """Put a packet on a link, for the neighbour with this hardware address."""
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as raw:
        raw.sendto(packet, (link, kind, 0, 0, bytes.fromhex(hardware_address.replace(":", ""))))


def hardware_address(link: str) -> str:
    with socket.socket() as handle:
        answer = fcntl.ioctl(handle.fileno(), _SIOCGIFHWADDR, struct.pack("40s", link.encode()))
    return answer[18:24].hex(":")


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Recorder:
    """Remembers every datagram that reaches a port, as "payload from address", and answers it."""

    def __init__(self, port: int, address: str = "::") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._seen: list[str] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(2000)
            with self._changed:
                self._seen.append(f"{data.decode()} from {peer[0].removeprefix('::ffff:')}")
                self._changed.notify_all()
            self._socket.sendto(b"answer to " + data, peer)

    def until(self, payload: str, seconds: float = 5.0) -> list[str]:
        """What has come when ``payload`` came, which is sent last: whatever was sent before and is not there was dropped."""
        with self._changed:
            there = self._changed.wait_for(lambda: any(one.startswith(payload) for one in self._seen), seconds)
            return [*self._seen] if there else [*self._seen, f"{payload} did not come"]
