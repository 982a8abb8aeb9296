"""The images of services, as references with digests that every node can pull: built here, pushed, or looked up where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...grammar.references import DEFAULT_DOMAIN, LEGACY_DOMAIN
from ..credentials.lookup import registry_auth, registry_of
from ..errors import ComposeError, Diagnostic, EngineError, LoadError, OperationError
from ..labels import image_name
from ..run.events import DONE, ERROR, WARNING, BuildStep, Output, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..build.trees import BuildFlags
    from ..client import Engine
    from ..client.bodies.builds import Event
    from ..model import Project
    from ..run.events import Emit

DOCKER_HUB = "https://index.docker.io/v1/"


class Unknown(OperationError):
    """The registry does not have the image."""


class Lookup(Protocol):
    def __call__(self, ref: str) -> str:
        """The digest of ``ref`` in its registry. Raises `Unknown` when it is not there, `ComposeError` when nobody can say."""


def published_name(project: Project, name: str, registry: str) -> str:
    """What the image of a built service is called in ``registry``: its own name there, or one made of project and service."""
    own = image_name(project, name)
    if not registry:
        return own
    image = str(project.services[name].get("image") or "")
    if image and registry_of(image) != DOCKER_HUB:
        return own
    repository = f"{project.name}/{name}"
    if image:
        repository = image.removeprefix(f"{LEGACY_DOMAIN}/").removeprefix(f"{DEFAULT_DOMAIN}/")
    return f"{registry.rstrip('/')}/{repository}"


def is_pushable(ref: str) -> bool:
    """Whether the reference names a registry; Docker Hub has to be written out."""
    return registry_of(ref) != DOCKER_HUB or ref.startswith((f"{DEFAULT_DOMAIN}/", f"{LEGACY_DOMAIN}/"))


def check_registry(project: Project, registry: str) -> None:
    """Raise `LoadError` with the place of every built service whose image no node could pull."""
    findings = []
    for name, tree in project.services.items():
        if tree.get("build") and not is_pushable(published_name(project, name, registry)):
            path = ("services", name, "build")
            words = f"{image_name(project, name)} is built here, and nodes need a registry to pull it from"
            hint = "name one with --registry HOST, in image:, or in x-deploy"
            findings.append(Diagnostic(words, path, project.mark(*path), hint))
    if findings:
        raise LoadError(findings)


def build_images(engine: Engine, project: Project, overrides: BuildFlags, emit: Emit) -> None:
    """Build every service that has a build section, those first whose images are contexts of others."""
    from ..build import build_service

    for name in _build_order(project):
        shown = f"Service {name}"
        emit(Progress(shown, "Building"))

        def output(text: str, name: str = name) -> None:
            emit(Output(name, text))

        def step(event: Event, name: str = name) -> None:
            emit(BuildStep(name, event))

        try:
            build_service(engine, project, name, overrides, output, step)
        except EngineError as error:
            emit(Progress(shown, "Error", ERROR))
            raise OperationError(f"failed to build service {name}: {error}") from error
        emit(Progress(shown, "Built", DONE))


def _build_order(project: Project) -> list[str]:
    order: list[str] = []

    def visit(name: str) -> None:
        build = (project.services.get(name) or {}).get("build")
        if name in order or not build:
            return
        contexts = build.get("additional_contexts") or {}
        for source in contexts.values() if isinstance(contexts, dict) else ():
            if str(source).startswith("service:"):
                visit(str(source).removeprefix("service:"))
        order.append(name)

    for name in project.services:
        visit(name)
    return order


def push_image(engine: Engine, local: str, ref: str, emit: Emit) -> str:
    """Push ``local`` as ``ref``; the digest that the registry has it by. Raises `OperationError`."""
    shown = f"Image {ref}"
    emit(Progress(shown, "Pushing"))
    digest = ""
    try:
        if local != ref:
            engine.images.tag(local, ref)
        for line in engine.images.push(ref, auth=registry_auth(ref)):
            aux = line.get("aux") or {}
            digest = str(aux.get("Digest") or digest)
    except EngineError as error:
        emit(Progress(shown, "Error", ERROR, detail=str(error)))
        raise OperationError(f"cannot push {ref}: {error}") from error
    emit(Progress(shown, "Pushed", DONE))
    return digest


def publish(
    engine: Engine, project: Project, registry: str, overrides: BuildFlags, emit: Emit, *, build: bool
) -> dict[str, str]:
    """Build (unless told not to) and push what the project builds; service -> reference by digest."""
    if build:
        build_images(engine, project, overrides, emit)
    found: dict[str, str] = {}
    for name, tree in project.services.items():
        if tree.get("build"):
            ref = published_name(project, name, registry)
            digest = push_image(engine, image_name(project, name), ref, emit)
            found[name] = by_digest(ref, digest)
    return found


def offer(
    engine: Engine, project: Project, address: str, overrides: BuildFlags, emit: Emit, *, build: bool
) -> dict[str, str]:
    """Build, and let the nodes pull from this machine's engine; service -> reference by digest. Raises `OperationError`."""
    if not engine.is_pycompose:
        raise OperationError(f"--serve needs pycompose's own engine; {engine.endpoint.address} is another")
    if build:
        build_images(engine, project, overrides, emit)
    refs = {
        name: published_name(project, name, address) for name, tree in project.services.items() if tree.get("build")
    }
    try:
        for name, ref in refs.items():
            engine.images.tag(image_name(project, name), ref)
        digests = engine.images.offer(address, list(refs.values()))
    except EngineError as error:
        raise OperationError(f"cannot serve images at {address}: {error}") from error
    for ref in refs.values():
        emit(Progress(f"Image {ref}", "Served", DONE))
    return {name: by_digest(ref, digests[ref]) for name, ref in refs.items()}


def look_up(project: Project, known: Mapping[str, str], registry: str, lookup: Lookup, emit: Emit) -> dict[str, str]:
    """References by service: those ``known``, and the others by the digest that their registry has. An image whose registry nobody
    here can ask keeps its tag, with a warning. Raises `LoadError` for one that is not there."""
    found = dict(known)
    findings: list[Diagnostic] = []
    digests: dict[str, str] = {}
    for name, tree in project.services.items():
        if name in found:
            continue
        ref = published_name(project, name, registry) if tree.get("build") else image_name(project, name)
        if "@" in ref:
            found[name] = ref
            continue
        try:
            if ref not in digests:
                digests[ref] = by_digest(ref, lookup(ref))
            found[name] = digests[ref]
        except Unknown as error:
            path = ("services", name, "image")
            findings.append(Diagnostic(str(error), path, project.mark(*path)))
        except ComposeError as error:
            emit(Progress(f"Image {ref}", "Not looked up", WARNING, detail=f"nodes will pull it by tag: {error}"))
            digests[ref] = found[name] = ref
    if findings:
        raise LoadError(findings)
    return found


def as_deployed(project: Project, registry: str, deployed: Mapping[str, str]) -> dict[str, str]:
    """References of what is built here, when nothing shall be built: what runs now, else the name that a build would push."""
    return {
        name: deployed.get(name) or published_name(project, name, registry)
        for name, tree in project.services.items()
        if tree.get("build")
    }


def moved(images: Mapping[str, str], pushed_to: str, called: str) -> dict[str, str]:
    """References in a registry that nodes know by another name than this machine."""
    start = f"{pushed_to.rstrip('/')}/"
    return {
        name: f"{called.rstrip('/')}/{ref.removeprefix(start)}" if pushed_to and ref.startswith(start) else ref
        for name, ref in images.items()
    }


def by_digest(ref: str, digest: str) -> str:
    """``repository:tag@digest``; without a digest the reference as it is."""
    return f"{ref}@{digest}" if digest else ref


def by_tag(project: Project, registry: str) -> dict[str, str]:
    """References by service without asking anybody: what files that are written for later say."""
    return {
        name: published_name(project, name, registry) if tree.get("build") else image_name(project, name)
        for name, tree in project.services.items()
    }
