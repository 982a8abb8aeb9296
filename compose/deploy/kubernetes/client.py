"""The Kubernetes API through lightkube, as plain trees. The one module here that imports the library, when it is used.

Objects go as they are: server-side apply under our own field manager, which takes nothing from others unless told to.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, cast

from ....grammar.jsontree import mapping, text
from ...errors import ComposeError, UsageError
from .names import MANAGER

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping

    import httpx2
    from lightkube import Client

    from ....grammar.jsontree import Json
    from .bodies.meta import Object
    from .bodies.network import Service
    from .bodies.pods import Pod
    from .bodies.workloads import Workload

Words = list[str]

KINDS: Mapping[str, tuple[str, str, str]] = {
    "ConfigMap": ("", "v1", "configmaps"),
    "CronJob": ("batch", "v1", "cronjobs"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "Deployment": ("apps", "v1", "deployments"),
    "Event": ("", "v1", "events"),
    "Job": ("batch", "v1", "jobs"),
    "Namespace": ("", "v1", "namespaces"),
    "NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
    "Pod": ("", "v1", "pods"),
    "ReplicaSet": ("apps", "v1", "replicasets"),
    "Secret": ("", "v1", "secrets"),
    "Service": ("", "v1", "services"),
}
GLOBAL = ("Namespace",)
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Of commands in containers; only the first can tell the end of their input. Servers have it from 1.30 on."""

LARGEST_MESSAGE = 1 << 20
TIMEOUT, CONNECT = 30.0, 10.0
"""Seconds in which a server has to answer, and to let us in: one that is busy takes longer than the library waits by itself."""
CONFLICT, FORBIDDEN, NOT_FOUND, SWITCHED = 409, 403, 404, 101


class LogWishes(TypedDict, total=False):
    """What is wanted of a log, as lightkube names it; ``since`` is in seconds before now."""

    container: str
    follow: bool
    since: int
    tail_lines: int
    timestamps: bool


class Channels(Protocol):
    """An open WebSocket of a command. Its methods raise the library's exceptions, which `told` knows."""

    subprotocol: str | None

    def send_bytes(self, data: bytes) -> None: ...

    def receive_bytes(self) -> bytes: ...


class KubernetesError(ComposeError):
    """The API server refused a request (``code`` is its HTTP status) or cannot be reached (``code`` is 0)."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def checked(tree: Mapping[str, Json]) -> Object:
    """An object of the server's. Raises `KubernetesError` where its parts are no objects, or it has no name."""
    parts = {key: tree[key] for key in ("metadata", "spec", "status") if tree.get(key) is not None}
    wrong = next((key for key, value in parts.items() if not isinstance(value, dict)), None)
    if wrong is not None or not text(mapping(parts.get("metadata")).get("name")):
        raise KubernetesError(f"the API server gave an object without a usable {wrong or 'name'}")
    return cast("Object", dict(tree))


def _place(kind: str, namespace: str) -> dict[str, Any]:
    """The library's keyword for where an object of the kind is."""
    return {} if kind in GLOBAL else {"namespace": namespace}


def owners(message: str) -> set[str]:
    """The managers that a conflict names: ``conflict with "kubectl" using apps/v1``."""
    return set(re.findall(r'conflicts? with "([^"]+)"', message))


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the library and of the connection in one line."""
    import httpx2
    from lightkube.core.exceptions import ApiError

    try:
        yield
    except ApiError as error:
        code = int(error.status.code or 0)
        raise KubernetesError(f"{what}: {error.status.message}", code) from error
    except httpx2.HTTPStatusError as error:
        raise KubernetesError(f"{what}: HTTP {error.response.status_code}", error.response.status_code) from error
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise KubernetesError(f"{what}: cannot reach the API server: {reason}") from error


def _patience() -> httpx2.Timeout:
    import httpx2

    return httpx2.Timeout(TIMEOUT, connect=CONNECT)


def connect(context: str, environment: Mapping[str, str]) -> Kube:
    """The cluster of a kubeconfig's context (the current one without a name). Raises `UsageError`."""
    try:
        from lightkube import Client, KubeConfig
        from lightkube.core.exceptions import ConfigError
    except ImportError:
        raise UsageError("Kubernetes needs the library lightkube: pip install 'pycompose-engine[kubernetes]'") from None
    path = environment.get("KUBECONFIG", "").partition(os.pathsep)[0]
    path = path or os.path.join(environment.get("HOME", ""), ".kube", "config")
    try:
        config = KubeConfig.from_file(path).get(context or None)
        client = Client(config=config, field_manager=MANAGER, timeout=_patience())
    except ConfigError as error:
        raise UsageError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: no kubeconfig: {error}") from None
    assert config is not None
    return Kube(client, str(config.cluster.server))


class Kube:
    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self.address = address
        self._minor = 0
        self._classes: dict[str, Any] = {}

    def close(self) -> None:
        self._client.close()

    @property
    def minor(self) -> int:
        """The server's version 1.x."""
        if not self._minor:
            with told("version"), self._plain() as plain:
                answer = plain.get("/version")
                answer.raise_for_status()
                tree = answer.json()
            number = re.match(r"\d+", str(tree.get("minor") or ""))
            if number is None:
                raise KubernetesError(f"{self.address} does not answer like a Kubernetes API server")
            self._minor = int(number[0])
        return self._minor

    def _plain(self) -> httpx2.Client:
        """A client for what the library has no words for, with the same address and credentials."""
        from lightkube.config.client_adapter import Client as Plain
        from lightkube.config.client_adapter import ConnectionParams

        return Plain(self._client.config, ConnectionParams(timeout=_patience()))

    def _resource(self, kind: str) -> Any:
        """A class of plain trees for the kind. The library's own registry of classes has one of each already, with typed fields."""
        from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info

        if kind not in self._classes:
            group, version, plural = KINDS[kind]
            if kind == "CronJob" and self.minor < 21:
                version = "v1beta1"
            base = GenericGlobalResource if kind in GLOBAL else GenericNamespacedResource
            self._classes[kind] = type(kind, (base,), {"_api_info": create_api_info(group, version, kind, plural)})
        return self._classes[kind]

    def apply(
        self, body: Mapping[str, object], *, dry_run: bool = False, force: bool = False, manager: str = MANAGER
    ) -> Object:
        """Server-side apply; what the server has, or with ``dry_run`` would have. Fields of other managers are conflicts (409)."""
        try:
            return self._apply(body, dry_run, force, manager)
        except KubernetesError as error:
            # What `scale` and `restart` have set is ours as well, though the server keeps the two apart.
            if force or error.code != CONFLICT or owners(str(error)) != {MANAGER}:
                raise
            return self._apply(body, dry_run, True, manager)

    def _apply(self, body: Mapping[str, object], dry_run: bool, force: bool, manager: str) -> Object:
        what = cast("Object", body)
        resource = self._resource(what["kind"])
        with told(f"{what['kind']} {what['metadata']['name']}"):
            return checked(self._client.apply(resource(body), field_manager=manager, force=force, dry_run=dry_run))

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        try:
            with told(f"{kind} {name}"):
                return checked(self._client.get(self._resource(kind), name, **_place(kind, namespace)))
        except KubernetesError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def list(self, kind: str, namespace: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        with told(f"list of {kind}"):
            found = self._client.list(self._resource(kind), labels=dict(labels or {}), **_place(kind, namespace))
            return [checked(one) for one in found]

    def pods(self, namespace: str, labels: Mapping[str, str]) -> builtins.list[Pod]:
        return cast("list[Pod]", self.list("Pod", namespace, labels))

    def pod(self, name: str, namespace: str) -> Pod | None:
        return cast("Pod | None", self.get("Pod", name, namespace))

    def services(self, namespace: str, labels: Mapping[str, str]) -> builtins.list[Service]:
        return cast("list[Service]", self.list("Service", namespace, labels))

    def workloads(self, kind: str, namespace: str, labels: Mapping[str, str]) -> builtins.list[Workload]:
        return cast("list[Workload]", self.list(kind, namespace, labels))

    def remove(self, kind: str, name: str, namespace: str) -> None:
        """Delete, and what it owns behind it; of a job its pods first. What is gone already is no error."""
        from lightkube.types import CascadeType

        cascade = CascadeType.FOREGROUND if kind == "Job" else CascadeType.BACKGROUND
        try:
            with told(f"{kind} {name}"):
                self._client.delete(self._resource(kind), name, cascade=cascade, **_place(kind, namespace))
        except KubernetesError as error:
            if error.code != NOT_FOUND:
                raise

    def merge(self, kind: str, name: str, namespace: str, change: Mapping[str, object]) -> None:
        """A JSON merge patch."""
        from lightkube.types import PatchType

        with told(f"{kind} {name}"):
            resource = self._resource(kind)
            self._client.patch(resource, name, dict(change), namespace=namespace, patch_type=PatchType.MERGE)

    def watch(self, kind: str, namespace: str, labels: Mapping[str, str]) -> Iterator[tuple[str, Object]]:
        """Objects and their changes as (ADDED, MODIFIED or DELETED, object), for as long as the server talks."""
        with told(f"watch of {kind}"):
            for word, one in self._client.watch(self._resource(kind), namespace=namespace, labels=dict(labels)):
                yield word, checked(one)

    def watch_pods(self, namespace: str, labels: Mapping[str, str]) -> Iterator[tuple[str, Pod]]:
        return cast("Iterator[tuple[str, Pod]]", self.watch("Pod", namespace, labels))

    def log(self, pod: str, namespace: str, wishes: LogWishes) -> Iterator[str]:
        """Lines of a container's output."""
        with told(f"log of {pod}"):
            yield from self._client.log(pod, namespace=namespace, newlines=False, **wishes)

    @contextmanager
    def channels(
        self, pod: str, namespace: str, container: str, command: Words, *, stdin: bool, tty: bool
    ) -> Iterator[Channels]:
        """Run a command in a container: a WebSocket whose messages begin with the number of their channel."""
        from httpx2.websockets import HTTPXWSException, WebSocketUpgradeError

        what = f"exec in {pod}"
        params: list[tuple[str, str | int | float | bool | None]] = [("container", container), ("stdout", True)]
        params += [("stdin", stdin), ("tty", tty), ("stderr", not tty), *(("command", word) for word in command)]
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        with told(what), self._plain() as plain:
            plain.event_hooks = {"response": [_keep_refusal]}
            try:
                with plain.websocket(
                    path, subprotocols=list(PROTOCOLS), params=params, max_message_size_bytes=LARGEST_MESSAGE
                ) as session:
                    yield session
            except WebSocketUpgradeError as error:
                code = error.response.status_code
                raise KubernetesError(f"{what}: {_refusal(error.response)}", code) from error
            except HTTPXWSException as error:
                raise KubernetesError(f"{what}: the connection broke off") from error


def _keep_refusal(answer: httpx2.Response) -> None:
    """Read why there is no WebSocket, while that can be read."""
    if answer.status_code != SWITCHED:
        answer.read()


def _refusal(answer: httpx2.Response) -> str:
    try:
        return text(mapping(answer.json()).get("message")) or f"HTTP {answer.status_code}"
    except ValueError:
        return answer.text.strip() or f"HTTP {answer.status_code}"
