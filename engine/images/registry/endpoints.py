"""Where a registry is spoken to: canonical host names, mirrors, and who may be spoken to without TLS. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..reference import DEFAULT_DOMAIN
from ..trust import DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..signatures.policy import Rule

DOCKER_HUB = "registry-1.docker.io"
SEARCH_HOST = "index.docker.io"


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The engine's registry settings. ``mirrors`` maps a domain (``docker.io``) to base URLs tried first, in order;
    ``insecure`` lists ``host`` or ``host:port`` that may have plain HTTP or unknown certificates. ``downloads`` and
    ``uploads`` are how many layers of one image move at a time; ``certificates`` are directories as in images/trust.py.
    ``verify`` are the rules of what must be signed."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    insecure: frozenset[str] = frozenset()
    downloads: int = 4
    uploads: int = 4
    certificates: tuple[Path, ...] = DIRECTORIES
    verify: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base to try: ``urls`` in order of preference (https before http), ``insecure`` without certificate check.
    ``relaxed`` are the hosts that by configuration may be spoken to less safely."""

    domain: str
    urls: tuple[tuple[str, bool], ...]
    mirror: bool = False
    relaxed: frozenset[str] = frozenset()


def domain_of_key(key: str) -> str:
    """The domain that a key of a table of credentials means. Clients have written ``host``, ``host/``, ``https://host``,
    ``http://host/v2/``, and for Docker Hub the address of its index."""
    host = key.partition("://")[2 if "://" in key else 0].partition("/")[0]
    return DEFAULT_DOMAIN if host in (DEFAULT_DOMAIN, SEARCH_HOST, DOCKER_HUB) else host


def endpoints(domain: str, config: RegistryConfig) -> list[Endpoint]:
    """The mirrors of a domain, then the registry itself."""
    found = []
    for url in config.mirrors.get(domain, ()):
        base = url if "://" in url else f"https://{url}"
        parts = urlsplit(base)
        # A mirror that is written with http:// was meant so.
        insecure = parts.netloc in config.insecure or (parts.hostname or "") in config.insecure
        found.append(Endpoint(domain, ((base.rstrip("/"), insecure),), mirror=True))
    return [*found, main(domain, config)]


def main(domain: str, config: RegistryConfig) -> Endpoint:
    host = DOCKER_HUB if domain == DEFAULT_DOMAIN else domain
    name = urlsplit(f"//{host}").hostname or host
    if host in config.insecure or name in config.insecure or is_loopback(name):
        # The certificate is checked first, so a good one is used as such.
        urls = ((f"https://{host}", False), (f"https://{host}", True), (f"http://{host}", False))
        return Endpoint(domain, urls, relaxed=config.insecure)
    return Endpoint(domain, ((f"https://{host}", False),), relaxed=config.insecure)


def is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
