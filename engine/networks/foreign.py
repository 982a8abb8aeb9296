"""Other people's firewalls: forwarding chains that would drop our containers' packets, and our accept rules in them.

In nftables ``accept`` ends one table only; a chain with ``policy drop`` in another table (dockerd's iptables-nft FORWARD, a
server's own /etc/nftables.conf, firewalld's final reject) still drops. So accept rules for our bridges are put at the
head of such chains: into DOCKER-USER where it exists, since dockerd keeps that over restarts. They are written so that
iptables-nft can read them (name match, counter, verdict), carry our table's name in their comment, and go at shutdown.
Tables of the legacy xtables kernel interface cannot be changed over netlink: those are reported.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .expressions import ACCEPT, DATA_VERDICT, VERDICT_CODE, Counter, LinkIs, Meta, Statement, Verdict
from .netlink import NLM_F_CREATE, NetlinkError, attribute, attributes, be64, nested, text
from .nft import DELRULE, GETCHAIN, GETRULE, INET, IPV4, IPV6, NEWRULE, SUBSYSTEM, UNSPEC, Batch, Table, nfgen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HOOK_FORWARD = 2
_USER_CHAIN = "DOCKER-USER"
_OWN_TABLES = "pycompose_"
_LEGACY = {"ip": Path("/proc/net/ip_tables_names"), "ip6": Path("/proc/net/ip6_tables_names")}
_IMMEDIATE_DATA = 2
_COMMENT = 0  # NFTNL_UDATA_RULE_COMMENT


@dataclass(frozen=True, slots=True)
class ForeignChain:
    """A chain of another table. ``hook`` is None for a regular chain, ``policy`` an NF verdict (0 drops)."""

    family: int
    table: str
    name: str
    hook: int | None
    policy: int


@dataclass(frozen=True, slots=True)
class ForeignRule:
    handle: int
    comment: str
    expressions: bytes

    @property
    def final(self) -> bool:
        """Drops or rejects whatever reaches it."""
        kinds = []
        for _, item in attributes(self.expressions):
            values = dict(attributes(item))
            if _name(values[1]) != "counter":
                kinds.append((_name(values[1]), values.get(2, b"")))
        return len(kinds) == 1 and (kinds[0][0] == "reject" or (kinds[0][0] == "immediate" and _is_drop(kinds[0][1])))


def _is_drop(data: bytes) -> bool:
    """Whether the attributes of an immediate expression hold the verdict drop."""
    verdict = dict(attributes(dict(attributes(data)).get(_IMMEDIATE_DATA, b""))).get(DATA_VERDICT, b"")
    return dict(attributes(verdict)).get(VERDICT_CODE) == struct.pack("!i", Verdict.DROP)


class ForeignFirewall:
    """Keeps the accept rules of one instance in place. ``names`` are bridge names; a trailing ``*`` is a prefix."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._seen: tuple[int, tuple[str, ...]] | None = None
        self.warnings: tuple[str, ...] = ()
        self._told: frozenset[str] = frozenset()

    def ensure(self, names: Sequence[str]) -> None:
        """Put accept rules where a foreign chain would drop. Costs one query while nobody touched the ruleset."""
        wanted = tuple(names)
        generation = self._table.generation()
        if self._seen == (generation - self._table.own_changes, wanted):
            return
        self.warnings = tuple(_legacy_tables(wanted))
        try:
            self._apply(wanted)
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise
            self._apply(wanted)  # the owner replaced its chain between our look and our change
        self._seen = (self._table.generation() - self._table.own_changes, wanted)

    def take_new_warnings(self) -> tuple[str, ...]:
        """Warnings not returned before."""
        fresh = tuple(warning for warning in self.warnings if warning not in self._told)
        self._told |= set(fresh)
        return fresh

    def clear(self) -> None:
        """Take every rule of ours out again."""
        self._seen = None
        self._apply(())

    def _apply(self, names: tuple[str, ...]) -> None:
        chains = self._chains()
        targets = [chain for chain in chains if names and self._drops(chain)]
        places = {_entry(chain, chains) for chain in targets}
        batch, changes = Batch(), 0
        for chain in chains:
            if not (chain.hook == _HOOK_FORWARD or chain.name == _USER_CHAIN):
                continue
            present = [rule for rule in self._rules(chain) if rule.comment.startswith(f"{self._table.name} ")]
            expected = _accept_rules(self._table.name, names) if chain in places else []
            if [rule.comment for rule in present] == [comment for comment, _ in expected]:
                continue
            for rule in present:
                batch.add(DELRULE, chain.family, text(1, chain.table), text(2, chain.name), be64(3, rule.handle))
            for comment, statements in reversed(expected):  # each goes to the head, so the first is added last
                attrs = (
                    text(1, chain.table),
                    text(2, chain.name),
                    nested(4, *(statement.encode() for statement in statements)),
                    attribute(7, _comment(comment)),
                )
                batch.add(NEWRULE, chain.family, *attrs, flags=NLM_F_CREATE)
            changes += 1
        if changes:
            self._table.netlink().transact("let containers through a foreign firewall", batch.data())

    def _chains(self) -> list[ForeignChain]:
        chains = []
        for body in self._table.netlink().dump("list nftables chains", SUBSYSTEM << 8 | GETCHAIN, nfgen(UNSPEC)):
            values = dict(attributes(body[4:]))
            table, name = _name(values[1]), _name(values[3])
            if body[0] not in (INET, IPV4, IPV6) or table.startswith(_OWN_TABLES):
                continue
            hook = int.from_bytes(dict(attributes(values[4]))[1], "big") if 4 in values else None
            if hook is not None and _name(values.get(7, b"")) != "filter":
                continue
            policy = int.from_bytes(values[5], "big") if 5 in values else 1
            chains.append(ForeignChain(body[0], table, name, hook, policy))
        return chains

    def _rules(self, chain: ForeignChain) -> list[ForeignRule]:
        payload = nfgen(chain.family) + text(1, chain.table) + text(2, chain.name)
        rules = []
        for body in self._table.netlink().dump(f"list rules of {chain.name}", SUBSYSTEM << 8 | GETRULE, payload):
            values = dict(attributes(body[4:]))
            if _name(values[1]) == chain.table and _name(values[2]) == chain.name:
                comment = _read_comment(values.get(7, b""))
                rules.append(ForeignRule(int.from_bytes(values[3], "big"), comment, values.get(4, b"")))
        return rules

    def _drops(self, chain: ForeignChain) -> bool:
        if chain.hook != _HOOK_FORWARD:
            return False
        if chain.policy == 0:
            return True
        rules = self._rules(chain)
        return bool(rules) and rules[-1].final


def _entry(chain: ForeignChain, chains: Iterable[ForeignChain]) -> ForeignChain:
    """Where to put rules for a base chain: dockerd's user chain of the same table, else the chain itself."""
    if chain.name != "FORWARD":
        return chain
    for other in chains:
        if (other.family, other.table, other.name) == (chain.family, chain.table, _USER_CHAIN):
            return other
    return chain


def _accept_rules(owner: str, names: Iterable[str]) -> list[tuple[str, tuple[Statement, ...]]]:
    """Rules with the comments that identify them: packets out to and in from each bridge."""
    return [
        (f"{owner} {key.name.lower()} {name}", (LinkIs(key, name), Counter(), ACCEPT))
        for name in names
        for key in (Meta.OIFNAME, Meta.IIFNAME)
    ]


def _name(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def _comment(value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("BB", _COMMENT, len(data)) + data


def _read_comment(data: bytes) -> str:
    offset = 0
    while offset + 2 <= len(data):
        kind, length = data[offset], data[offset + 1]
        if kind == _COMMENT:
            return _name(data[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return ""


def _legacy_tables(names: Iterable[str]) -> Iterable[str]:
    for family, path in _LEGACY.items():
        try:
            loaded = path.read_text().split()
        except OSError:
            continue
        if "filter" in loaded:
            tool = "iptables-legacy" if family == "ip" else "ip6tables-legacy"
            rules = "; ".join(
                f"{tool} -I FORWARD {side} {name.replace('*', '+')} -j ACCEPT"
                for name in names
                for side in ("-o", "-i")
            )
            yield (
                f"the legacy xtables {family} filter table is in use and cannot be changed over netlink; "
                f"if its FORWARD chain drops, let containers through with: {rules}"
            )
