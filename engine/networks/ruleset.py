"""What the private nftables table of an instance holds, as a pure function of its networks and published ports.

The rules never change; networks and ports are elements of sets and maps, so that adding one is a single message.

    output       leaves [::1] alone: the kernel drops answers to it, so connections there go to the shim's relay
    raw          loopback addresses are the host's own affair: whatever comes over another link with one, as source or as
                 destination, is dropped. DNAT comes before the kernel's check of martians, so a neighbour that
                 routes 127.0.0.1 to this host would reach what is published there
    prerouting, output → publish   whatever is sent to an address of this host at a published port goes to the container
    postrouting  containers leave with the host's address; loopback and container clients of a published port are
                 masqueraded, so that answers come back through here (this is what makes hairpin work)
    forward      replies and published ports in, the same network among itself, the rest of the world out;
                 nothing between networks, answers included (a container on two networks may pass packets on), nothing
                 out of or into an internal one, and behind bridges of other engines only what these publish

``accept`` ends this table only: a foreign chain may still drop (foreign.py), ``drop`` is final.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from ..runtime import handover
from .expressions import (
    ACCEPT,
    DROP,
    ESTABLISHED,
    RETURN,
    TRANSLATED,
    AddressIn,
    AddressWithin,
    Answering,
    Asking,
    Decide,
    HandOver,
    LinkIn,
    LinkIs,
    LinkPairIn,
    Mark,
    Marked,
    Masquerade,
    Meta,
    Nowhere,
    Protocol4,
    Redirect,
    Statement,
    ToLocal,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

Element = tuple[str, ...]  # the parts of a key, and for maps those of the value after them


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A set, or a map when ``data`` is given. ``key`` and ``data`` are nftables type names."""

    name: str
    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    interval: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; base chains have ``kind``, ``hook`` and ``priority`` (number and name)."""

    name: str
    rules: tuple[tuple[Statement, ...], ...]
    kind: str = ""
    hook: str = ""
    priority: int = 0
    priority_name: str = ""


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """What the table must know of one bridge network."""

    bridge: str
    subnets: tuple[str, ...]
    internal: bool = False
    masquerade: bool = True
    icc: bool = True


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """``host_ip`` "" or the unspecified address means every address of that version. ``address`` is the container's."""

    protocol: str
    host_ip: str
    host_port: int
    address: str
    port: int


SETS: tuple[SetSpec, ...] = (
    SetSpec("bridges", ("ifname",)),
    SetSpec("internal", ("ifname",)),
    SetSpec("pairs", ("ifname", "ifname")),
    SetSpec("uplinks", ("ifname",)),
    SetSpec("subnets4", ("ipv4_addr",), interval=True),
    SetSpec("subnets6", ("ipv6_addr",), interval=True),
    SetSpec("egress4", ("ipv4_addr",), interval=True),
    SetSpec("egress6", ("ipv6_addr",), interval=True),
    SetSpec("ports4", ("inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
    SetSpec("ports6", ("inet_proto", "inet_service"), ("ipv6_addr", "inet_service")),
    SetSpec("host_ports4", ("ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
    SetSpec("host_ports6", ("ipv6_addr", "inet_proto", "inet_service"), ("ipv6_addr", "inet_service")),
)

_IN_BRIDGE = LinkIn(Meta.IIFNAME, "bridges")
_OUT_BRIDGE = LinkIn(Meta.OIFNAME, "bridges")
_OUT_ELSEWHERE = LinkIn(Meta.OIFNAME, "bridges", invert=True)
_MASQUERADE = Masquerade()
_NOT_LOOPBACK = LinkIs(Meta.IIFNAME, "lo", invert=True)

CHAINS: tuple[Chain, ...] = (
    Chain("publish", tuple((Redirect(version, f"{maps}{version}", maps == "host_ports"),)
                           for maps in ("host_ports", "ports") for version in (4, 6))),
    Chain("raw", tuple((_NOT_LOOPBACK, AddressWithin(side, network), DROP)
                       for network in ("127.0.0.0/8", "::1/128") for side in ("daddr", "saddr")),
          "filter", "prerouting", -300, "raw"),
    Chain("prerouting", ((LinkIn(Meta.IIFNAME, "internal"), RETURN), (ToLocal(), Decide(Verdict.GOTO, "publish"))),
          "nat", "prerouting", -100, "dstnat"),
    Chain("output", ((AddressWithin("daddr", "::1/128"), RETURN), (ToLocal(), Decide(Verdict.GOTO, "publish")),), "nat", "output", -100, "-100"),
    Chain("postrouting", (
        (_OUT_BRIDGE, AddressWithin("saddr", "127.0.0.0/8"), _MASQUERADE),
        (_OUT_BRIDGE, AddressWithin("saddr", "::1/128"), _MASQUERADE),
        (_OUT_BRIDGE, TRANSLATED, AddressIn(4, "saddr", "subnets4"), _MASQUERADE),
        (_OUT_BRIDGE, TRANSLATED, AddressIn(6, "saddr", "subnets6"), _MASQUERADE),
        (_OUT_ELSEWHERE, AddressIn(4, "saddr", "egress4"), _MASQUERADE),
        (_OUT_ELSEWHERE, AddressIn(6, "saddr", "egress6"), _MASQUERADE),
    ), "nat", "postrouting", 100, "srcnat"),
    Chain("forward", (
        (LinkPairIn("pairs"), ACCEPT),
        (LinkIn(Meta.IIFNAME, "internal"), DROP),
        (LinkIn(Meta.OIFNAME, "internal"), DROP),
        (_OUT_BRIDGE, TRANSLATED, ACCEPT),
        (_IN_BRIDGE, _OUT_BRIDGE, DROP),
        (_OUT_BRIDGE, ESTABLISHED, ACCEPT),
        (_OUT_BRIDGE, DROP),
        (_IN_BRIDGE, ESTABLISHED, ACCEPT),
        (_IN_BRIDGE, TRANSLATED, ACCEPT),
        (_IN_BRIDGE, LinkIs(Meta.OIFKIND, "bridge"), LinkIn(Meta.OIFNAME, "uplinks", invert=True), DROP),
        (_IN_BRIDGE, ACCEPT),
    ), "filter", "forward", 0, "filter"),
)  # fmt: skip


def _handed_over() -> tuple[tuple[Statement, ...], ...]:
    """To the uplink: what the shims have marked, what leads nowhere here, and what is for the host itself. An answer that leads
    nowhere is for a shim's relay, which speaks to the container with the client's address (runtime/relay.py)."""
    rules: list[tuple[Statement, ...]] = []
    for protocol in ("tcp", "udp"):
        number = Protocol4(protocol, PROTOCOLS[protocol])
        rules += [
            (
                number,
                LinkIs(Meta.IIFNAME, "lo"),
                Marked(handover.MARK),
                HandOver(handover.OUTSIDE, handover.MARK),
                ACCEPT,
            ),
            # In this order: to fib, a local address leads nowhere as well.
            (number, _NOT_LOOPBACK, Asking(), ToLocal(), HandOver(handover.HOST, handover.MARK), ACCEPT),
            (number, _NOT_LOOPBACK, Answering(), ToLocal(), ACCEPT),
            (number, _NOT_LOOPBACK, Asking(), Nowhere(), HandOver(handover.OUTSIDE, handover.MARK), ACCEPT),
            (number, _NOT_LOOPBACK, Answering(), Nowhere(), Mark(handover.MARK), ACCEPT),
        ]
    return ((LinkIn(Meta.IIFNAME, "internal"), RETURN), *rules)


CHAINS_APART: tuple[Chain, ...] = (*CHAINS, Chain("uplink", _handed_over(), "filter", "prerouting", -90, "-90"))
"""In a network namespace of the engine's own: beyond it there is the uplink (runtime/uplink.py)."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Name of the table and the elements of its sets and maps."""

    table: str
    elements: Mapping[str, frozenset[Element]] = field(default_factory=dict)
    chains: tuple[Chain, ...] = CHAINS


def network_elements(network: NetworkRules) -> dict[str, frozenset[Element]]:
    """The elements one network adds, by set name."""
    elements: dict[str, set[Element]] = {"bridges": {(network.bridge,)}}
    if network.internal:
        elements["internal"] = {(network.bridge,)}
    if network.icc:
        elements["pairs"] = {(network.bridge, network.bridge)}
    for subnet in network.subnets:
        version = ip_network(subnet).version
        elements.setdefault(f"subnets{version}", set()).add((subnet,))
        if network.masquerade and not network.internal:
            elements.setdefault(f"egress{version}", set()).add((subnet,))
    return {name: frozenset(items) for name, items in elements.items()}


def port_elements(ports: Iterable[PublishedPort]) -> dict[str, frozenset[Element]]:
    """The elements published ports add, by map name. A port reaches a container address of its own version only."""
    elements: dict[str, set[Element]] = {}
    for port in ports:
        version = ip_address(port.address).version
        host = ip_address(port.host_ip) if port.host_ip else None
        if host is not None and host.version != version:
            continue
        key: Element = (port.protocol, str(port.host_port))
        target = (port.address, str(port.port))
        if host is None or host.is_unspecified:
            elements.setdefault(f"ports{version}", set()).add((*key, *target))
        else:
            elements.setdefault(f"host_ports{version}", set()).add((str(host), *key, *target))
    return {name: frozenset(items) for name, items in elements.items()}


def merge(parts: Iterable[Mapping[str, frozenset[Element]]]) -> dict[str, frozenset[Element]]:
    result: dict[str, frozenset[Element]] = {}
    for part in parts:
        for name, items in part.items():
            result[name] = result.get(name, frozenset()) | items
    return result


def uplink_elements(names: Iterable[str]) -> dict[str, frozenset[Element]]:
    """Bridges through which the host itself reaches others: containers may go out there as over any other link."""
    return {"uplinks": frozenset((name,) for name in names)}


def build(
    table: str,
    networks: Sequence[NetworkRules],
    ports: Iterable[PublishedPort],
    uplinks: Iterable[str] = (),
    chains: tuple[Chain, ...] = CHAINS,
) -> Ruleset:
    """The whole ruleset of an instance."""
    elements = merge([*map(network_elements, networks), port_elements(ports), uplink_elements(uplinks)])
    return Ruleset(table, elements, chains)


def render(ruleset: Ruleset) -> str:
    """The ruleset in nft's own language, elements sorted: for people, golden tests and ``nft -f``."""
    lines = [f"table inet {ruleset.table} {{"]
    for spec in SETS:
        lines.append(f"\t{'map' if spec.data else 'set'} {spec.name} {{")
        kind = " . ".join(spec.key)
        lines.append(f"\t\ttype {kind} : {' . '.join(spec.data)}" if spec.data else f"\t\ttype {kind}")
        if spec.interval:
            lines.append("\t\tflags interval")
        items = sorted(ruleset.elements.get(spec.name, ()))
        if items:
            lines.append(f"\t\telements = {{ {', '.join(_render_element(spec, item) for item in items)} }}")
        lines.append("\t}")
    for chain in ruleset.chains:
        lines.append(f"\tchain {chain.name} {{")
        if chain.hook:
            lines.append(f"\t\ttype {chain.kind} hook {chain.hook} priority {chain.priority_name}; policy accept;")
        lines += ["\t\t" + " ".join(statement.text for statement in rule) for rule in chain.rules]
        lines.append("\t}")
    return "\n".join([*lines, "}", ""])


def _render_element(spec: SetSpec, element: Element) -> str:
    quoted = [
        f'"{part}"' if kind == "ifname" else part for kind, part in zip(spec.key + spec.data, element, strict=True)
    ]
    key = " . ".join(quoted[: len(spec.key)])
    return f"{key} : {' . '.join(quoted[len(spec.key) :])}" if spec.data else key
