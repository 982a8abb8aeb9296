"""The dockerfile.v0 frontend: the attributes of a request, which are names and texts, as the builder's options.

Attributes are those of BuildKit's dockerui and of buildx. What this engine does not offer is refused in words; what has no
meaning here, such as the cgroup parent, is in ``ignored``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...grammar import ulimits
from ..build.options import BuildOptions, ReceivedContext, RemoteContext, TarContext
from ..containers.spec import resources, validate
from ..errors import InvalidParameter, NotImplemented_
from ..images.types import Platform
from ..shapes import decode, objects, pairs
from .lent import Agents, LentFiles, Logins, Secrets, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from ..build.options import Context, FileSource, Network
    from ..images.types import Auth
    from ..linux.oci import Resources
    from .lent import Lender

LOADED = "loaded"
"""The kind of a cache whose image is in the store already; ``ref`` is its id."""
FRONTENDS = ("dockerfile.v0", "gateway.v0")
_UPLOADS = "buildkit-session"
_OWN_SYNTAX = ("docker/dockerfile", "docker.io/docker/dockerfile")


@dataclass(frozen=True, slots=True)
class CacheImport:
    """A cache to start from: ``registry`` with a ``ref``, or a kind that there is not here."""

    kind: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: the attributes, the entitlements, inputs by name, which are images' ids by now, and ``body``,
    a context that came as a tar."""

    attributes: Mapping[str, str]
    entitlements: frozenset[str] = frozenset()
    cache_exports: tuple[CacheImport, ...] = ()
    cache_imports: tuple[CacheImport, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    body: BinaryIO | None = None

    def caches(self) -> list[CacheImport]:
        """The caches to start from, whatever member of the request names them. Raises InvalidParameter."""
        text = self.text("cache-imports")
        try:
            more = [CacheImport(str(one.get("Type")), pairs(one.get("Attrs"))) for one in objects(decode(text or "[]"))]
        except ValueError:
            raise InvalidParameter(f"failed to unmarshal cache-imports ({text})") from None
        return [*self.cache_imports, *more]

    def with_prefix(self, prefix: str) -> dict[str, str]:
        return {name[len(prefix) :]: text for name, text in self.attributes.items() if name.startswith(prefix)}

    def text(self, name: str, default: str = "") -> str:
        return self.attributes.get(name) or default


def options(
    asked: Asked, lender: Lender, agents: Path, keep: Callable[[str, str], None] = lambda where, image: None
) -> BuildOptions:
    """What to build. ``agents`` is a directory for sockets; ``keep`` puts an image that carries the cache into a directory of the
    client's. Raises EngineError. Run it in a thread."""
    _check(asked)
    cache_to = _cache_exports(asked)
    contexts, received = _named_contexts(asked, lender)
    no_cache = asked.attributes.get("no-cache")
    name = asked.text("filename", "Dockerfile")
    context = _context(asked, lender)
    found = BuildOptions(
        context=context,
        dockerfile=name,
        target=asked.text("target"),
        args=asked.with_prefix("build-arg:"),
        labels=asked.with_prefix("label:"),
        no_cache=no_cache == "",
        no_cache_filter=tuple(filter(None, (no_cache or "").split(","))),
        pull=asked.text("image-resolve-mode") == "pull",
        platforms=tuple(filter(None, asked.text("platform").split(","))),
        several=asked.text("multi-platform") in ("1", "true"),
        contexts=contexts,
        received=received,
        secrets=Secrets(lender),
        ssh=Agents(lender, agents),
        cache_from=_cache_imports(asked),
        cache_to=cache_to,
        caches={where: partial(keep, where) for where in _directories(asked)},
        network=_network(asked),
        extra_hosts=validate.added_hosts(
            host.replace("=", ":", 1) for host in asked.text("add-hosts").split(",") if host
        ),
        shm_size=_number(asked, "shm-size") or None,
        ulimits=_ulimits(asked.text("ulimit")),
        resources=_resources(asked),
        hostname=asked.text("hostname") or asked.text("build-arg:BUILDKIT_SANDBOX_HOSTNAME"),
        entitlements=asked.entitlements,
        auth=Logins(lender),
        provenance=_provenance(asked.attributes.get("attest:provenance")),
        sbom=_wanted(asked.attributes.get("attest:sbom")),
    )
    if "dockerfilekey" in asked.attributes and not isinstance(context, ReceivedContext):
        return replace(found, definition=LentFiles(lender, asked.attributes["dockerfilekey"]))
    return found


def _wanted(attestation: str | None) -> bool:
    """``inline-only`` ones go into no store of ours."""
    words = (attestation or "").split(",")
    return attestation is not None and "inline-only=true" not in words and "disabled=true" not in words


def _provenance(attestation: str | None) -> str:
    if not _wanted(attestation):
        return ""
    return "max" if "mode=max" in (attestation or "").split(",") else "min"


def _check(asked: Asked) -> None:
    syntax = asked.text("source")
    if syntax and syntax.partition("@")[0].rpartition(":")[0] not in _OWN_SYNTAX and syntax not in _OWN_SYNTAX:
        raise NotImplemented_(f"frontend {syntax}: this engine builds with its own Dockerfile frontend only")
    for name, given in asked.with_prefix("attest:").items():
        if name not in ("provenance", "sbom"):
            raise NotImplemented_(f"{name} attestations are not made by this engine")
        if "generator=" in given:
            raise NotImplemented_("SBOM generators from images are not offered: this engine makes SBOMs itself")


def _context(asked: Asked, lender: Lender) -> Context:
    where = asked.text("context")
    key = asked.text("contextkey", "context")
    if "context" in asked.inputs:
        raise NotImplemented_("a build context that is the result of another build is not offered by this engine")
    if asked.body is not None:
        return TarContext(asked.body)
    if not where:
        return ReceivedContext(
            _lent(asked, lender, key), _lent(asked, lender, asked.text("dockerfilekey", "dockerfile"))
        )
    url = urlsplit(where)
    if url.scheme == "http" and url.netloc.startswith(_UPLOADS):
        return TarContext(uploaded(lender, url.netloc, url.path))
    if asked.text("contextsubdir"):
        where = f"{where}{':' if '#' in where else '#:'}{posixpath.normpath(asked.text('contextsubdir'))}"
    return RemoteContext(where)


def _lent(asked: Asked, lender: Lender, name: str) -> FileSource:
    """A directory of the client's; buildx may share one between builds, in a session of its own."""
    return LentFiles(lender.of_session(asked.text(f"local-sessionid:{name}")), name)


def _named_contexts(asked: Asked, lender: Lender) -> tuple[dict[str, str], dict[str, FileSource]]:
    contexts: dict[str, str] = {}
    received: dict[str, FileSource] = {}
    for full, text in asked.with_prefix("context:").items():
        name, separator, platform = full.partition("::")
        if separator and Platform.parse(platform) != Platform.host():
            continue
        name = name.removeprefix("docker.io/library/").removeprefix("docker.io/").removesuffix(":latest")
        kind, _, rest = text.partition(":")
        if kind == "local":
            received[name] = _lent(asked, lender, rest)
        elif kind == "input":
            if rest not in asked.inputs:
                raise InvalidParameter(f"invalid input {rest} for {name}")
            text = f"docker-image://{asked.inputs[rest]}"
        elif kind not in ("docker-image", "git", "http", "https", "git@github.com"):
            raise NotImplemented_(f"unsupported context source {kind} for {name}")
        contexts[name] = text
    return contexts, received


def _cache_imports(asked: Asked) -> tuple[str, ...]:
    """References of the registry caches that the request names, whatever member it names them in."""
    entries = asked.caches()
    refs = [one.attributes.get("ref", "") for one in entries if one.kind in ("registry", LOADED)]
    refs += asked.text("cache-from").split(",")
    return tuple(dict.fromkeys(filter(None, refs)))


def _cache_exports(asked: Asked) -> tuple[str, ...]:
    """Where the cache is to go: into the image itself, or to a registry."""
    found = []
    for one in asked.cache_exports:
        ref = one.attributes.get("ref", "")
        if one.kind == "inline":
            found.append("type=inline")
        elif one.kind == "local":
            found.append(f"type=client,ref={one.attributes.get('dest', '')},mode={one.attributes.get('mode', 'min')}")
        elif one.kind == "registry" and ref:
            mode = one.attributes.get("mode", "min")
            found.append(f"type=registry,ref={ref},mode={mode}")
        else:
            raise NotImplemented_(
                f"cache export of type {one.kind} is not offered by this engine: inline, local and registry are"
            )
    return tuple(found)


def _directories(asked: Asked) -> tuple[str, ...]:
    """Directories of the client's that are to have the cache."""
    return tuple(one.attributes.get("dest", "") for one in asked.cache_exports if one.kind == "local")


def logins(lender: Lender) -> Mapping[str, Auth]:
    """The client's credentials by registry host."""
    return Logins(lender)


def _network(asked: Asked) -> Network:
    mode = asked.text("force-network-mode", "sandbox")
    match mode:
        case "sandbox":
            return "default"
        case "none":
            return "none"
        case "host" if "network.host" not in asked.entitlements:
            raise InvalidParameter("network.host is not allowed")
        case "host":
            return "host"
    raise InvalidParameter(f"invalid netmode {mode}")


def _number(asked: Asked, name: str) -> int:
    text = asked.text(name, "0")
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(f"invalid {name}: {text}") from None


def _ulimits(text: str) -> dict[str, tuple[int, int]]:
    """``nofile=1024:2048,nproc=30:30``."""
    result = {}
    for entry in filter(None, text.split(",")):
        try:
            limit = ulimits.parse(entry)
        except ValueError as error:
            raise InvalidParameter(f"invalid ulimit {entry}: {error}") from None
        result[limit.name] = (limit.soft, limit.hard)
    return result


def _resources(asked: Asked) -> Resources:
    return resources.build_limits(
        memory=_number(asked, "memory"),
        swap=_number(asked, "memswap"),
        shares=_number(asked, "cpushares"),
        period=_number(asked, "cpuperiod"),
        quota=_number(asked, "cpuquota"),
        cpus=asked.text("cpusetcpus"),
        mems=asked.text("cpusetmems"),
    )
