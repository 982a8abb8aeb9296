"""One conversation with a domain's registries (its mirrors and itself), and what the service asks of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import NotFound, Unauthorized, Unavailable
from ..bootstrap import suites
from ..reference import DEFAULT_DOMAIN, Reference, is_tag
from ..transport import Transport
from . import credentials
from .client import Denied, Registry, failure, read
from .endpoints import endpoints
from .pull import Pulled, Puller
from .push import Pushed, Pusher
from .transfer import Downloads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..blobs import Blobs
    from ..layers import Layers
    from ..progress import Reporter
    from ..types import Auth, Image, Platform
    from .endpoints import RegistryConfig

_LARGEST_LIST = 16 << 20
_MAXIMUM_PAGES = 1000


class Registries:
    """Opens sessions; downloads of the same blob meet here."""

    def __init__(self, blobs: Blobs, config: RegistryConfig, env: Mapping[str, str]) -> None:
        self._config = config
        self._env = env
        self._downloads = Downloads(blobs)

    @contextmanager
    def session(self, domain: str, auth: Auth | None) -> Iterator[Session]:
        """``auth`` None: the user's own configuration is asked."""
        domain = _domain(domain)
        known = auth if auth is not None else credentials.lookup(domain, self._env)
        transport = Transport()
        try:
            registries = [Registry(transport, endpoint, known) for endpoint in endpoints(domain, self._config)]
            yield Session(domain, registries, self._downloads)
        finally:
            transport.close()


def _domain(text: str) -> str:
    """A domain from what users give to login: a host, or Docker Hub's old URL."""
    host = urlsplit(text).netloc if "://" in text else text.partition("/")[0]
    return DEFAULT_DOMAIN if host in ("index.docker.io", "registry-1.docker.io") else host


class Session:
    def __init__(self, domain: str, registries: list[Registry], downloads: Downloads) -> None:
        self._domain = domain
        self._registries = registries
        self._downloads = downloads

    def pull(self, ref: Reference, platform: Platform, blobs: Blobs, layers: Layers, reporter: Reporter) -> Pulled:
        try:
            return Puller(self._registries, ref, platform, blobs, layers, self._downloads, reporter).pull()
        except Unavailable as error:
            raise Unavailable(f"cannot pull {ref.familiar}: {error}{_hint(ref)}") from error

    def push(
        self, ref: Reference, image: Image, original: str, blobs: Blobs, layers: Layers, reporter: Reporter
    ) -> Pushed:
        return Pusher(self._registries[-1], ref, blobs, layers, reporter).push(image, original)

    def tags(self, ref: Reference) -> list[str]:
        """All tags of a repository, following the registry's pages."""
        registry = self._registries[-1]
        path = f"{ref.path}/tags/list?n=1000"
        tags: list[str] = []
        for _ in range(_MAXIMUM_PAGES):
            response = registry.request("GET", path, scope=f"repository:{ref.path}:pull")
            if response.status != 200:
                raise failure(response)
            link = response.headers.get("Link", "")
            value = json.loads(read(response, _LARGEST_LIST))
            found = value.get("tags") if isinstance(value, dict) else None
            tags += [tag for tag in found or () if isinstance(tag, str) and is_tag(tag)]
            if 'rel="next"' not in link or not link.startswith("<"):
                return tags
            query = urlsplit(link[1:].partition(">")[0]).query
            path = f"{ref.path}/tags/list?{query}"
        raise Unavailable(f"{ref.familiar_name}: the registry's list of tags has no end")

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


def _hint(ref: Reference) -> str:
    if not suites.known(ref):
        return ""
    return (
        f'; without a registry, "pycompose image bootstrap {ref.familiar}" builds it from the distribution\'s archive'
    )
