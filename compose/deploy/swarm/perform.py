"""One operation of a plan, at a manager: what `run` needs done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...client import NotFound
from ...credentials.lookup import registry_auth
from ...errors import EngineError, OperationError
from ..ops import AwaitService, CreateObject, RemoveObject, UpdateObject
from ..run import LINES
from .convert import PIN, spec_of
from .labels import IMAGE, STACK, pin
from .logs import last_lines
from .observe import NOUNS, VOLUME
from .pinning import choose_node, pinned_to

if TYPE_CHECKING:
    from ...client import Engine
    from ...client.bodies.swarm import ServiceSpec
    from ...model import Project
    from ...plan.ops import Operation
    from ..objects import Wanted
    from ..state import Verdict
    from .watch import Watch

TRIES = 5
"""How often to read a version again when another has changed the object in between."""


class Hands:
    """Carries out changes and tells how far services are."""

    def __init__(self, engine: Engine, project: Project | None, watch: Watch, name: str) -> None:
        self._engine = engine
        self._project = project
        self._watch = watch
        self._name = name

    def verdict(self, operation: AwaitService) -> Verdict:
        return self._watch.verdict(operation.wanted.name)

    def wait(self, seconds: float) -> None:
        self._watch.wait(seconds)

    def last_lines(self, source: str) -> list[str]:
        return last_lines(self._engine, source, LINES)

    def settle(self) -> None:
        self._watch.until_gone(self._networks)

    def _networks(self) -> bool:
        return bool(self._engine.networks.list({"label": [f"{STACK}={self._name}"]}))

    def undo(self, operation: AwaitService) -> bool:
        return False  # a manager rolls back by itself, as the update's configuration says

    def perform(self, operation: Operation) -> None:
        if isinstance(operation, CreateObject):
            self._create(operation)
        elif isinstance(operation, UpdateObject):
            self._update(operation)
            self._watch.expect(operation.wanted.name)
        elif isinstance(operation, RemoveObject):
            self._remove(operation)
        self._watch.forget()

    def _create(self, operation: CreateObject) -> None:
        wanted = operation.wanted
        if wanted.kind == PIN:
            self._pin(wanted.name)
        elif wanted.kind == "network":
            self._engine.networks.create(wanted.body)
        elif wanted.kind == "service":
            spec = self._resolved(spec_of(wanted))
            self._engine.swarm.create("services", spec, registry_auth(str(spec["Labels"].get(IMAGE) or "")))
        else:
            self._engine.swarm.create(NOUNS[wanted.kind], wanted.body)

    def _update(self, operation: UpdateObject) -> None:
        wanted, found = operation.wanted, operation.found
        if wanted.kind == "network":
            raise OperationError(f"{wanted.key} differs, and Swarm changes no network")
        noun = NOUNS[wanted.kind]
        for attempt in range(TRIES):
            try:
                if wanted.kind == "service":
                    self._update_service(wanted, found.id, again=operation.again)
                else:
                    current = self._engine.swarm.file(noun, found.id)
                    spec = {**current["Spec"], "Labels": wanted.body["Labels"]}  # all that can change of it
                    self._engine.swarm.update(noun, found.id, current["Version"]["Index"], spec)
            except EngineError as error:
                if "out of sequence" not in str(error) or attempt + 1 == TRIES:
                    raise
            else:
                return

    def _update_service(self, wanted: Wanted, ident: str, *, again: bool) -> None:
        current = self._engine.swarm.service(ident)
        spec = self._resolved(spec_of(wanted))
        count = current["Spec"]["TaskTemplate"].get("ForceUpdate", 0)
        spec["TaskTemplate"]["ForceUpdate"] = count + int(again)
        auth = registry_auth(spec["Labels"].get(IMAGE) or "")
        self._engine.swarm.update("services", ident, current["Version"]["Index"], spec, auth)

    def _resolved(self, body: ServiceSpec) -> ServiceSpec:
        """The spec with the ids of its secrets and configs beside their names."""
        container = body["TaskTemplate"]["ContainerSpec"].copy()
        if uses := container.get("Secrets"):
            container["Secrets"] = [{**one, "SecretID": self._id_of("secrets", one["SecretName"])} for one in uses]
        if uses := container.get("Configs"):
            container["Configs"] = [{**one, "ConfigID": self._id_of("configs", one["ConfigName"])} for one in uses]
        return {**body, "TaskTemplate": {**body["TaskTemplate"], "ContainerSpec": container}}

    def _id_of(self, noun: str, name: str) -> str:
        for one in self._engine.swarm.files(noun, {"name": [name]}):
            if one["Spec"]["Name"] == name:
                return str(one["ID"])
        raise OperationError(f"there is no {noun.removesuffix('s')} {name} on this swarm")

    def _remove(self, operation: RemoveObject) -> None:
        found = operation.found
        try:
            if found.kind == PIN:
                self._unpin(found.name, found.id)
            elif found.kind == VOLUME:
                self._watch.remove_volume(found.id, str(found.body["volume"]))
            elif found.kind == "network":
                self._watch.remove_when_free(lambda: self._engine.networks.remove(found.id))
            else:
                self._engine.swarm.remove(NOUNS[found.kind], found.id)
        except NotFound:
            return

    def _pin(self, volume: str) -> None:
        assert self._project is not None
        nodes = self._engine.swarm.nodes()
        node = choose_node(self._project, volume, nodes, pinned_to(nodes, self._name))
        self._label(node, pin(volume), self._name)

    def _unpin(self, volume: str, node: str) -> None:
        self._watch.remove_volume(node, volume)
        self._label(node, pin(volume), None)

    def _label(self, node: str, key: str, value: str | None) -> None:
        for attempt in range(TRIES):
            current = self._engine.swarm.node(node)
            spec = current["Spec"]
            labels = {name: one for name, one in (spec.get("Labels") or {}).items() if name != key}
            if value is not None:
                labels[key] = value
            try:
                self._engine.swarm.update("nodes", node, int(current["Version"]["Index"]), {**spec, "Labels": labels})
            except EngineError as error:
                if "out of sequence" not in str(error) or attempt + 1 == TRIES:
                    raise
            else:
                return
