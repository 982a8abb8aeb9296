"""One conversation with a domain's registries (its mirrors and itself), and what the service asks of it."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode, urlsplit

from ...errors import EngineError, InvalidParameter, NotFound, Unauthorized, Unavailable
from ...shapes import number
from ..abort import Abort
from ..bootstrap import suites
from ..manifest import document
from ..reference import DEFAULT_DOMAIN, Reference, is_tag
from ..transport import Transport
from . import credentials
from .artifacts import Artifacts
from .client import Denied, Registry, failure, read
from .endpoints import SEARCH_HOST, domain_of_key, endpoints, main
from .manifests import distribution, fetch
from .pull import Into, Pulled, Puller
from .push import Pushed, Pusher
from .transfer import Downloads
from .whole import IndexPusher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from ...shapes import Json
    from ..blobs import Blobs
    from ..bodies import Distribution, SearchResult
    from ..layers import Layers
    from ..manifest import Descriptor
    from ..progress import Reporter
    from ..types import Auth, Image, Platform
    from .endpoints import RegistryConfig

T = TypeVar("T")

_LARGEST_LIST = 16 << 20
_MAXIMUM_PAGES = 1000


class Registries:
    """Opens sessions; downloads of the same blob meet here."""

    def __init__(self, blobs: Blobs, config: RegistryConfig, env: Mapping[str, str]) -> None:
        self._config = config
        self._env = env
        self._downloads = Downloads(blobs)

    @contextmanager
    def session(
        self,
        domain: str,
        auth: Auth | None,
        *,
        search: bool = False,
        tell: Callable[[str], None] = lambda words: None,
        cancel: Abort | None = None,
    ) -> Iterator[Session]:
        """``auth`` None: the user's own configuration is asked. Docker Hub's ``search`` lies on a host of its own. ``tell``
        hears why it takes longer. ``cancel`` ends it at once, wherever it waits."""
        domain = _domain(domain) if domain else DEFAULT_DOMAIN
        known = auth if auth is not None else credentials.lookup(domain, self._env)
        transport = Transport(tell=tell, certificates=self._config.certificates)
        stop = Abort()
        with ExitStack() as stack:
            stack.callback(transport.close)
            stack.enter_context(stop.then(self._downloads.wake))
            stack.enter_context(stop.then(transport.abort))
            if cancel is not None:
                stack.enter_context(cancel.then(stop.set))
            found = endpoints(domain, self._config)
            if search and domain == DEFAULT_DOMAIN:
                found = [main(SEARCH_HOST, self._config)]
            registries = [Registry(transport, endpoint, known) for endpoint in found]
            yield Session(domain, registries, self._downloads, self._config, stop)


_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,5}))?")


def _domain(text: str) -> str:
    """A domain from what users give to login: a host, or Docker Hub's old URL. Raises InvalidParameter."""
    host = (text.partition("://")[2] if "://" in text else text).partition("/")[0]
    found = _HOST.fullmatch(host)
    if found is None or not 0 < int(found[1] or 443) < 65536:
        raise InvalidParameter(f"invalid registry address: {text[:200]!r}")
    return domain_of_key(host)


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository as the source of what a push lacks. Its registry is asked once something is wanted of it."""

    ref: Reference
    blobs: Blobs
    open: Callable[[], AbstractContextManager[Session]]

    def bring(self, wanted: Descriptor, *, manifest: bool) -> None:
        with self.open() as session:
            session.bring(self.ref, wanted, self.blobs, manifest=manifest)


class Session:
    def __init__(
        self, domain: str, registries: list[Registry], downloads: Downloads, config: RegistryConfig, stop: Abort
    ) -> None:
        self._stop = stop
        self._config = config
        self._domain = domain
        self._registries = registries
        self._downloads = downloads

    def pull(self, ref: Reference, platform: Platform, blobs: Blobs, layers: Layers, reporter: Reporter) -> Pulled:
        try:
            into = Into(blobs, layers, self._downloads)
            return Puller(self._registries, ref, platform, into, self._config, reporter, self._stop).pull()
        except Unavailable as error:
            raise Unavailable(f"{error}{_hint(ref)}") from error

    def artifacts(self, ref: Reference) -> Artifacts:
        return Artifacts(self._registries[-1], ref)

    def distribution(self, ref: Reference) -> Distribution:
        return self._first(lambda registry: distribution(registry, ref))

    def _first(self, ask: Callable[[Registry], T]) -> T:
        """The answer of the first registry that has one: a mirror may fail, the registry itself decides."""
        *mirrors, itself = self._registries
        for mirror in mirrors:
            with suppress(EngineError, OSError):
                return ask(mirror)
        return ask(itself)

    def push(
        self, ref: Reference, image: Image, original: str, blobs: Blobs, layers: Layers, reporter: Reporter
    ) -> Pushed:
        return Pusher(self._registries[-1], ref, blobs, layers, reporter, self._config.uploads).push(image, original)

    def push_index(
        self, ref: Reference, digest: str, blobs: Blobs, reporter: Reporter, source: Origin | None = None
    ) -> Pushed:
        """Push an index whole; what is not here is had from ``source``. Raises Missing."""
        return IndexPusher(self._registries[-1], ref, blobs, reporter, self._config.uploads, source).push(digest)

    def bring(self, ref: Reference, wanted: Descriptor, blobs: Blobs, *, manifest: bool) -> None:
        """Have a manifest, or another blob, of a repository in the store."""
        registry = self._registries[-1]
        if manifest:
            blobs.add(fetch(registry, ref, wanted.digest)[0])
        else:
            self._downloads.fetch(registry, ref.path, wanted, lambda done: None, self._stop.is_set)

    def tags(self, ref: Reference) -> list[str]:
        """All tags of a repository, following the registry's pages."""
        return self._first(lambda registry: self._tags(registry, ref))

    def _tags(self, registry: Registry, ref: Reference) -> list[str]:
        path = f"{ref.path}/tags/list?n=1000"
        tags: list[str] = []
        for _ in range(_MAXIMUM_PAGES):
            response = registry.request("GET", path, scope=f"repository:{ref.path}:pull")
            if response.status != 200:
                raise failure(response)
            link = response.headers.get("Link", "")
            found = _list(read(response, _LARGEST_LIST), "tags")
            tags += [tag for tag in found if isinstance(tag, str) and is_tag(tag)]
            if 'rel="next"' not in link or not link.startswith("<"):
                return tags
            query = urlsplit(registry.absolute(link[1:].partition(">")[0])).query
            path = f"{ref.path}/tags/list?{query}"
        raise Unavailable(f"{ref.familiar_name}: the registry's list of tags has no end")

    def search(self, term: str, limit: int) -> list[SearchResult]:
        """Repositories by name, in the shape of Docker's search: by the registry's search, else by its catalogue."""
        registry = self._registries[-1]
        response = registry.request("GET", registry.absolute(f"/v1/search?{urlencode({'q': term, 'n': limit})}"))
        status = response.status
        if response.status == 200:
            listed = _list(read(response, _LARGEST_LIST), "results")
            return [_found(item) for item in listed if isinstance(item, dict) and isinstance(item.get("name"), str)][
                :limit
            ]
        response.drain_conn()
        response.release_conn()
        response = registry.request("GET", "_catalog?n=1000", scope="registry:catalog:*")
        if response.status != 200:
            raise failure(response)
        names = [name for name in _list(read(response, _LARGEST_LIST), "repositories") if isinstance(name, str)]
        found = [_found({"name": f"{self._domain}/{name}"}) for name in names if term in name][:limit]
        if not found:
            raise NotFound(
                f"Unexpected status code {status}: {self._domain} has no search, and no {term!r} in its catalogue"
            )
        return found

    def login(self) -> str:
        """Check the credentials. Returns "" (identity tokens are the client's to ask for); raises Unauthorized."""
        try:
            response = self._registries[-1].request("GET", "")
        except Denied as error:
            raise Unauthorized(f"unauthorized: incorrect username or password ({error})") from error
        if response.status == 404:
            raise NotFound(f"{self._domain} is no registry of version 2")
        if response.status != 200:
            raise failure(response)
        response.drain_conn()
        response.release_conn()
        return ""


def _list(data: bytes, name: str) -> list[Json]:
    """A list in an answer; nothing when it is not there."""
    found = document(data, "the registry's answer").get(name)
    return found if isinstance(found, list) else []


def _found(item: Mapping[str, object]) -> SearchResult:
    return {
        "name": str(item["name"]),
        "description": str(item.get("description") or ""),
        "star_count": number(item.get("star_count")),
        "is_official": bool(item.get("is_official")),
        "is_automated": bool(item.get("is_automated")),
    }


def _hint(ref: Reference) -> str:
    if not suites.known(ref):
        return ""
    return (
        f'; without a registry, "pycompose image bootstrap {ref.familiar}" builds it from the distribution\'s archive'
    )
