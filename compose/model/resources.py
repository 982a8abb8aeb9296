"""What services refer to: networks, volumes, configs, secrets, models. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TypedDict


class IpamPool(TypedDict, total=False):
    subnet: str
    gateway: str
    ip_range: str
    aux_addresses: dict[str, str]


class Ipam(TypedDict, total=False):
    driver: str
    config: list[IpamPool]


class Network(TypedDict, total=False):
    name: str
    driver: str
    driver_opts: dict[str, str]
    ipam: Ipam
    external: bool
    internal: bool
    attachable: bool
    labels: dict[str, str]
    enable_ipv4: bool
    enable_ipv6: bool


class Volume(TypedDict, total=False):
    name: str
    driver: str
    driver_opts: dict[str, str]
    external: bool
    labels: dict[str, str]


class FileObject(TypedDict, total=False):
    """A config or a secret. ``environment`` is the name of the variable that holds it."""

    name: str
    file: str
    environment: str
    content: str
    external: bool
    labels: dict[str, str]
    driver: str
    driver_opts: dict[str, str]
    template_driver: str


class Model(TypedDict, total=False):
    """``context_size`` is in tokens."""

    name: str
    model: str
    context_size: int
    runtime_flags: list[str]
