"""Which proxy a URL goes through, by the rules of Go's programs (golang.org/x/net/http/httpproxy), so that one environment
serves dockerd, the docker CLI and this engine alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxies:
    """``http`` and ``https`` are proxy URLs, "" for none; ``exceptions`` the entries of NO_PROXY."""

    http: str = ""
    https: str = ""
    exceptions: tuple[str, ...] = ()

    @staticmethod
    def of(environment: Mapping[str, str]) -> Proxies:
        """Upper case wins over lower case; ALL_PROXY counts where the scheme has none of its own."""

        def value(name: str) -> str:
            return environment.get(name) or environment.get(name.lower()) or ""

        other = value("ALL_PROXY")
        entries = (entry.strip().lower() for entry in value("NO_PROXY").split(","))
        return Proxies(
            _url(value("HTTP_PROXY") or other), _url(value("HTTPS_PROXY") or other), tuple(filter(None, entries))
        )

    def of_url(self, url: str) -> str:
        """The proxy for ``url``, "" for none. This machine itself is never asked through one."""
        parts = urlsplit(url)
        proxy = {"http": self.http, "https": self.https}.get(parts.scheme, "")
        host = (parts.hostname or "").rstrip(".")
        address = _address(host)
        if not proxy or host == "localhost" or (address is not None and address.is_loopback):
            return ""
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return "" if any(_excepts(entry, host, address, port) for entry in self.exceptions) else proxy


def _url(text: str) -> str:
    return text if not text or "://" in text else f"http://{text}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _excepts(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host: ``*``, a network, an address or a name, the last two perhaps with a port.
    ``name`` means the name and all below it, ``.name`` and ``*.name`` only what is below."""
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _with_port(entry)
    if wanted and wanted != str(port):
        return False
    own = _address(name)
    if own is not None:
        return own == address
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _with_port(entry: str) -> tuple[str, str]:
    """An entry's name or address, and its port or ""."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""
