"""Image references: Docker's grammar, its short names, and its messages.

    reference  = name [":" tag] ["@" digest]
    name       = [domain "/"] path          the first component is a domain when it has a "." or ":", is "localhost", or has
                                            capitals, which no path may have
    "debian"   = docker.io/library/debian:latest

A domain in canonical form is never empty; "familiar" is the short form that people see.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_DOMAIN = "docker.io"
LEGACY_DOMAIN = "index.docker.io"
DEFAULT_TAG = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = rf"((?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::({_TAG}))?(?:@({_DIGEST}))?"
_HEX64 = re.compile(r"[a-f0-9]{64}")
_SHA256 = re.compile(r"sha256:[a-f0-9]{64}")
_ID = re.compile(r"(?:sha256:)?([a-f0-9]{1,64})")


class Reference(NamedTuple):
    """A parsed reference in canonical form; ``tag`` and ``digest`` are "" when absent."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Canonical repository: ``docker.io/library/debian``."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """Short repository: ``debian``."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    @property
    def suffix(self) -> str:
        """``:TAG@DIGEST``, or what there is of it."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """The short form of the whole: ``debian:12``."""
        return self.familiar_name + self.suffix

    @property
    def with_default_tag(self) -> Reference:
        """The same with ``:latest`` when it names neither tag nor digest."""
        return self if self.tag or self.digest else self._replace(tag=DEFAULT_TAG)

    @property
    def version(self) -> str:
        """What a registry's manifest endpoint takes: the digest, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        return self.name + self.suffix


def parse(text: str) -> Reference:
    """Parse and make canonical. Raises ValueError with Docker's message."""
    if _HEX64.fullmatch(text):
        raise ValueError(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = split_domain(text)
    name_part = remainder.partition("@")[0]
    if ":" in name_part:
        name_part = name_part[: name_part.rindex(":")] if "/" not in name_part[name_part.rindex(":") :] else name_part
    if name_part.lower() != name_part:
        raise ValueError(f"invalid reference format: repository name ({name_part}) must be lowercase")
    match = re.compile(_REFERENCE, re.ASCII).fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise ValueError("invalid reference format")
    name, tag, digest = match[1], match[2] or "", match[3] or ""
    path = name[len(domain) + 1 :]
    if not name.startswith(f"{domain}/") or not path:
        raise ValueError("invalid reference format")
    if len(path) > 255:
        raise ValueError("invalid reference format: repository name must not be more than 255 characters")
    if digest and not is_digest(digest):
        algorithm = digest.partition(":")[0]
        raise ValueError("invalid checksum digest length" if algorithm == "sha256" else "unsupported digest algorithm")
    return Reference(domain, path, tag, digest)


def split_domain(text: str) -> tuple[str, str]:
    """(domain, rest) in canonical form, unchecked: what no domain stands before belongs to Docker Hub."""
    first, slash, rest = text.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    domain, remainder = (first, rest) if named else (DEFAULT_DOMAIN, text)
    if domain == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder


def split_version(text: str) -> tuple[str, str]:
    """(repository as written, tag or digest), unchecked; the tag is ``latest`` when none is written."""
    name, at, digest = text.partition("@")
    if at:
        return name, digest
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, DEFAULT_TAG)


def is_digest(text: str) -> bool:
    """Whether this is a sha256 digest, the one algorithm that images use."""
    return _SHA256.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether this may be a tag."""
    return re.fullmatch(_TAG, text, re.ASCII) is not None


def id_prefix(text: str) -> str | None:
    """The hex digits when ``text`` could be (the beginning of) an image ID, else None."""
    match = _ID.fullmatch(text)
    return match[1] if match else None
