"""What each version of the API says of a thing: the newest answers with their older fields go in, one version's come out. Pure.

The published documents and their change log are the reference (docs.docker.com/reference/api/engine/version-history).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Version = tuple[int, int]
Body = TypeVar("Body", bound="Mapping[str, object]")
Kind = Literal[
    "container", "container row", "image", "image row", "network", "network row", "info", "usage", "event", "stats"
]

_FIRST, _NEVER = (1, 0), (2, 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A field, by its path (``*`` is every member), is there from version ``since`` on and gone with ``until``. With
    ``empty`` that is only so where it says nothing."""

    path: str
    since: Version = _FIRST
    until: Version = _NEVER
    empty: bool = False

    def hides(self, version: Version) -> bool:
        return not self.since <= version < self.until


def _rules(names: str, *, prefix: str = "", since: Version = _FIRST, until: Version = _NEVER, empty: bool = False) -> tuple[Rule, ...]:  # fmt: skip
    return tuple(Rule(f"{prefix}{name}", since, until, empty) for name in names.split())


_ENDPOINTS = (
    *_rules("DNSNames", prefix="NetworkSettings.Networks.*.", since=(1, 44)),
    *_rules("GwPriority", prefix="NetworkSettings.Networks.*.", since=(1, 48)),
)
_CONTAINER_ROW = (*_ENDPOINTS, *_rules("ImageManifestDescriptor", since=(1, 48)))

RULES: Mapping[Kind, tuple[Rule, ...]] = {
    "container": (
        *_ENDPOINTS,
        *_rules("ImageManifestDescriptor", since=(1, 48)),
        *_rules(
            "Bridge HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen SecondaryIPAddresses SecondaryIPv6Addresses"
            " EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway MacAddress",
            prefix="NetworkSettings.",
            until=(1, 52),
        ),
        *_rules("CgroupnsMode", prefix="HostConfig.", since=(1, 41)),
        *_rules("KernelMemory", prefix="HostConfig.", until=(1, 42)),
        *_rules("KernelMemoryTCP", prefix="HostConfig.", until=(1, 52)),
        *_rules("Annotations", prefix="HostConfig.", since=(1, 43)),
        *_rules("MacAddress", prefix="Config.", until=(1, 52)),
        *_rules("OnBuild", prefix="Config.", until=(1, 52), empty=True),
    ),
    "container row": (*_CONTAINER_ROW, *_rules("HostConfig.Annotations", since=(1, 46))),
    "image": (
        *_rules("VirtualSize", until=(1, 44)),
        *_rules("Container ContainerConfig", until=(1, 45)),
        *_rules("Descriptor Manifests", since=(1, 48)),
        *_rules(
            "Hostname Domainname AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Image NetworkDisabled"
            " MacAddress StopTimeout",
            prefix="Config.",
            until=(1, 50),
        ),
        *_rules(
            "Cmd Entrypoint Env Labels OnBuild User Volumes WorkingDir", prefix="Config.", until=(1, 52), empty=True
        ),
        *_rules("Parent Comment DockerVersion Author", until=(1, 52), empty=True),
        *_rules("DockerVersion", until=(1, 53)),
        *_rules("Identity", since=(1, 53)),
    ),
    "image row": (
        *_rules("VirtualSize", until=(1, 44)),
        *_rules("Manifests", since=(1, 47)),
        *_rules("Descriptor", since=(1, 48)),
    ),
    "network": (*_rules("EnableIPv4", since=(1, 48)), *_rules("Status", since=(1, 52))),
    "network row": (
        *_rules("EnableIPv4", since=(1, 48)),
        *_rules("Containers", until=(1, 52)),
        *_rules("Status", since=_NEVER),
    ),
    "info": (
        *_rules("CgroupVersion OSVersion", since=(1, 41)),
        *_rules("KernelMemory", until=(1, 42)),
        *_rules("KernelMemoryTCP", until=(1, 52)),
        *_rules("CDISpecDirs", since=(1, 44)),
        *_rules(
            "ContainerdCommit.Expected RuncCommit.Expected InitCommit.Expected"
            " RegistryConfig.AllowNondistributableArtifactsCIDRs RegistryConfig.AllowNondistributableArtifactsHostnames",
            until=(1, 49),
        ),
        *_rules("FirewallBackend", since=(1, 49)),
        *_rules("BridgeNfIptables BridgeNfIp6tables", until=(1, 50)),
        *_rules("DiscoveredDevices", since=(1, 50)),
    ),
    "usage": (
        *_rules("BuildCache.*.Parents", since=(1, 42)),
        *_rules("BuilderSize", until=(1, 42)),
        # LayersSize stays: dockerd 29 sends it to newer clients as well, since the SDK for Python reads it.
        *_rules("Images Containers Volumes BuildCache", until=(1, 53)),
        *_rules("ImageUsage ContainerUsage VolumeUsage BuildCacheUsage", since=(1, 52)),
    ),
    "stats": _rules("os_type", since=(1, 52)),
    "event": _rules("status id from", until=(1, 52)),
}


def fitted(kind: Kind, body: Body, version: Version) -> Body:
    """``body`` without what ``version`` does not have. The body is changed."""
    for rule in RULES[kind]:
        if rule.hides(version):
            _drop(body, rule.path.split("."), only_empty=rule.empty)
    return body


def _drop(body: object, path: list[str], *, only_empty: bool) -> None:
    name, *rest = path
    if isinstance(body, list) and name == "*":
        for member in body:
            _drop(member, rest, only_empty=only_empty)
    if not isinstance(body, dict):
        return
    if not rest:
        if not only_empty or not body.get(name):
            body.pop(name, None)
    elif name == "*":
        for member in body.values():
            _drop(member, rest, only_empty=only_empty)
    else:
        _drop(body.get(name), rest, only_empty=only_empty)
