"""The Kubernetes API through lightkube, as plain trees. The one module here that imports the library, when it is used.

Objects go as they are: server-side apply under our own field manager, which takes nothing from others unless told to.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, cast

from ....grammar.jsontree import mapping, text
from ...errors import ComposeError, OperationError, UsageError
from .names import MANAGER

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping

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
CONFLICT, FORBIDDEN, NOT_FOUND = 409, 403, 404


class LogWishes(TypedDict, total=False):
    """What is wanted of a log, as lightkube names it; ``since`` is in seconds before now."""

    container: str
    follow: bool
    since: int
    tail_lines: int
    timestamps: bool


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
        client = Client(config=config, field_manager=MANAGER)
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
            from lightkube.config.client_adapter import Client as Plain
            from lightkube.config.client_adapter import ConnectionParams

            with told("version"), Plain(self._client.config, ConnectionParams()) as plain:
                answer = plain.get("/version")
                answer.raise_for_status()
                tree = answer.json()
            number = re.match(r"\d+", str(tree.get("minor") or ""))
            if number is None:
                raise KubernetesError(f"{self.address} does not answer like a Kubernetes API server")
            self._minor = int(number[0])
        return self._minor

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

    def execute(self, pod: str, namespace: str, container: str, command: Words) -> int:
        """Run a command in a container, with our own standard streams; its exit code."""
        import sys

        with told(f"exec in {pod}"):
            answer = self._client.exec(
                pod,
                namespace=namespace,
                container=container,
                command=command,
                stdout=sys.stdout.buffer,
                stderr=sys.stderr.buffer,
            )
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()
        return int(answer.exit_code)

    def output(self, pod: str, namespace: str, container: str, command: Words) -> str:
        """What a command prints. Raises `OperationError` when it ends with another code than 0."""
        with told(f"exec in {pod}"):
            answer = self._client.exec(
                pod, namespace=namespace, container=container, command=command, stdout=True, stderr=True
            )
        if answer.exit_code:
            raise OperationError(
                f"{pod}: {command[0]}: {str(answer.stderr).strip() or f'exit code {answer.exit_code}'}"
            )
        return str(answer.stdout)
