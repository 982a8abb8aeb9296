"""The texts of a container's /etc/resolv.conf and /etc/hosts. Pure, except for reading the host's resolv.conf.

On user-defined networks the container asks 127.0.0.11, which its shim serves from resolver.json; on the default bridge
and with the host's network it has the host's servers, as Docker does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .types import Resolver

EMBEDDED = "127.0.0.11"
HOST_FILE = Path("/etc/resolv.conf")
HOSTS_FILE = Path("/etc/hosts")
SYSTEMD_FILE = Path("/run/systemd/resolve/resolv.conf")
HOST_GATEWAY = "host-gateway"

_FIXED_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """A parsed resolv.conf."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> ResolvConf:
        """Unknown lines are skipped; the last search or domain line counts (resolv.conf(5))."""
        servers: list[str] = []
        search: list[str] = []
        options: list[str] = []
        for line in text.splitlines():
            words = line.split("#")[0].split(";")[0].split()
            if len(words) < 2:
                continue
            if words[0] == "nameserver":
                servers.append(words[1])
            elif words[0] in ("search", "domain"):
                search = words[1:]
            elif words[0] == "options":
                options += words[1:]
        return ResolvConf(tuple(servers), tuple(search), tuple(options))

    def render(self) -> str:
        lines = []
        if self.search:
            lines.append("search " + " ".join(self.search))
        lines += [f"nameserver {server}" for server in self.servers]
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "".join(f"{line}\n" for line in lines)


def is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_resolv_conf(path: Path = HOST_FILE, behind: Path = SYSTEMD_FILE) -> ResolvConf:
    """The host's settings. When its only servers are a local stub (systemd-resolved), those behind the stub, which
    containers can reach."""
    own = _read(path)
    if own.servers and all(is_loopback(server) for server in own.servers):
        other = _read(behind)
        if other.servers:
            return other
    return own


def _read(path: Path) -> ResolvConf:
    try:
        return ResolvConf.parse(path.read_text(errors="replace"))
    except OSError:
        return ResolvConf()


def upstream(host: ResolvConf, wish: Resolver) -> ResolvConf:
    """What the container's wishes make of the host's settings. ``dns_search: .`` means no search list."""
    search = wish.search or host.search
    return ResolvConf(
        servers=wish.servers or host.servers,
        search=tuple(item for item in search if item != "."),
        options=wish.options or host.options,
    )


def within(settings: ResolvConf, wish: Resolver, subnets: Iterable[str]) -> ResolvConf:
    """The settings of a container all of whose networks are internal: nobody outside is asked, since a name carries data.
    Servers of the container's own wishes stay where they are on one of these networks (``subnets``)."""
    inside = tuple(ip_network(subnet) for subnet in subnets)

    def there(server: str) -> bool:
        try:
            address = ip_address(server)
        except ValueError:
            return False
        return any(address in network for network in inside)

    return replace(settings, servers=tuple(server for server in wish.servers if there(server)))


def container_resolv_conf(host: ResolvConf, wish: Resolver, *, embedded: bool, own_namespace: bool) -> str:
    """Text of a container's resolv.conf.

    ``embedded``: on a user-defined network. ``own_namespace``: not the host's network, where loopback servers are
    somebody else's; if none remain, the embedded resolver answers for them.
    """
    settings = upstream(host, wish)
    servers = settings.servers
    if embedded:
        options = settings.options
        if not any(option.startswith("ndots:") for option in options):
            options = (*options, "ndots:0")
        return ResolvConf((EMBEDDED,), settings.search, options).render()
    if own_namespace and not wish.servers:
        servers = tuple(server for server in servers if not is_loopback(server)) or (EMBEDDED,)
    return ResolvConf(servers, settings.search, settings.options).render()


def hosts_text(
    addresses: Sequence[str],
    hostname: str,
    domainname: str = "",
    extra_hosts: Iterable[str] = (),
    host_gateway: str = "",
    links: Iterable[tuple[str, Sequence[str]]] = (),
) -> str:
    """Text of a container's /etc/hosts.

    ``extra_hosts`` are "name:address" ("name=address" too); the address "host-gateway" becomes ``host_gateway``, and its
    line is left out when there is none. ``links`` are (address, names) of the default bridge's links.
    """
    lines = []
    for entry in extra_hosts:
        name, address = split_extra_host(entry)
        if address == HOST_GATEWAY:
            address = host_gateway
        if address:
            lines.append(f"{address}\t{name}\n")
    lines += [f"{address}\t{' '.join(names)}\n" for address, names in links]
    full = f"{hostname}.{domainname}" if domainname else hostname
    own = " ".join(dict.fromkeys([full, full.partition(".")[0]]))
    lines += [f"{address}\t{own}\n" for address in addresses if own]
    return _FIXED_HOSTS + "".join(lines)


def host_network_hosts(extra_hosts: Iterable[str], path: Path = HOSTS_FILE) -> str:
    """Text of /etc/hosts with the host's network: the host's own and the extra entries ("host-gateway" is loopback)."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        text = _FIXED_HOSTS
    if not text.endswith("\n"):
        text += "\n"
    entries = [split_extra_host(entry) for entry in extra_hosts]
    return text + "".join(
        f"{'127.0.0.1' if address == HOST_GATEWAY else address}\t{name}\n" for name, address in entries
    )


def split_extra_host(entry: str) -> tuple[str, str]:
    """("name", "address") of an extra_hosts entry; IPv6 addresses may be bracketed."""
    at = min((index for index in (entry.find(":"), entry.find("=")) if index > 0), default=len(entry))
    return entry[:at], entry[at + 1 :].strip("[]")
