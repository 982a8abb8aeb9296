"""Creating, starting, stopping, renaming and removing containers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tarfile
import time
from typing import TYPE_CHECKING

from ... import files as bounded
from ...client import NotFound
from ...convert.container import Facts, create_request
from ...convert.mounts import credential_files, plan_mounts
from ...credentials import docker_config
from ...credentials.lookup import configuration_file
from ...errors import EngineError, OperationError
from ...labels import UNFINISHED, image_name
from ...plan.digest import service_digest
from ...plan.graph import shared_services
from ..events import DONE, WARNING, Progress
from .hooks import post_start_hooks, pre_stop_hooks, run_hooks
from .models import model_variables
from .owner import container_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...client import Engine
    from ...convert.mounts import PlacedFile
    from ...model.service import Service
    from ...plan.ops import (
        CreateContainer,
        RemoveContainer,
        RenameContainer,
        RollBack,
        StartContainer,
        StopContainer,
        TakeOverPorts,
    )
    from .world import World


def create_container(world: World, operation: CreateContainer) -> None:
    shown = f"Container {operation.name}"
    if operation.replaces:
        world.replacing.add(operation.name)
    world.emit(Progress(shown, "Recreate" if operation.replaces else "Creating"))
    project = world.project
    facts = facts_for(world, operation.service, dict(operation.kept_volumes), operation.replaces)
    request = create_request(project, operation.service, operation.number, facts)
    # A container without its networks or files must never be taken for a finished one, also when this process is killed here.
    at_once = not (request.connect or request.files)
    name = request.name if at_once else f"{UNFINISHED}{request.name}"
    with removed_on_failure(world.engine) as made:
        identity = str(world.engine.containers.create(request.body, name, request.platform)["Id"])
        made.append(identity)
        for network, settings in request.connect:
            world.engine.networks.connect(network, identity, settings)
        place_files(world, identity, request.files)
        if not at_once:
            world.engine.containers.rename(identity, request.name)
    world.created(operation.name, operation.service, operation.number, identity)
    if not operation.replaces:
        world.emit(Progress(shown, "Created", DONE))


@contextlib.contextmanager
def removed_on_failure(engine: Engine) -> Iterator[list[str]]:
    """The containers whose ids are put into the list go again if the block does not come to its end."""
    made: list[str] = []
    with contextlib.ExitStack() as undo:
        undo.callback(_remove_all, engine, made)
        yield made
        undo.pop_all()


def _remove_all(engine: Engine, made: Sequence[str]) -> None:
    for identity in made:
        with contextlib.suppress(EngineError):  # the error that led here says more
            engine.containers.remove(identity, force=True, volumes=True)


def facts_for(world: World, service_name: str, kept: Mapping[str, str], replaces: str = "") -> Facts:
    """What the engine and this run know that the body of a container depends on."""
    project = world.project
    service = project.services[service_name]
    ref = image_name(project, service_name)
    if ref not in world.image_ids:
        world.image_ids[ref] = str(world.engine.images.inspect(ref)["Id"])
    digest = service_digest(project, service_name, world.contents)
    linked = {str(link).partition(":")[0] for link in service.get("links") or ()}
    wanted = {*shared_services(service), *linked}
    extra = docker_config.proxies(docker_config.read(), str(world.engine.endpoint.address))
    for name in service.get("depends_on") or ():
        extra.update(world.provided.get(name, {}))
    extra |= model_variables(world, service)
    return Facts(
        api=world.engine.version,
        own=bool((service.get("deploy") or {}).get("restart_policy")) and world.engine.is_pycompose,
        image_id=world.image_ids[ref],
        config_hash=digest.config_hash,
        fields=json.dumps(digest.fields(), separators=(",", ":")),
        containers={name: identity for name, identity in world.service_containers.items() if name in wanted},
        kept_volumes=kept,
        replaces=replaces,
        socket=world.engine.endpoint.address.path,
        extra_environment=extra,
        credentials=configuration_file() if service.get("use_api_socket") else None,
        security_files=_security_files(service, str(project.directory)),
    )


def _security_files(service: Service, directory: str) -> dict[str, str]:
    """The contents of the seccomp profiles that the service names by path."""
    import os.path

    found: dict[str, str] = {}
    for item in service.get("security_opt") or ():
        name, _, value = item.partition("=") if "=" in item else item.partition(":")
        if name == "seccomp" and value not in ("unconfined", "builtin", "") and not value.lstrip().startswith("{"):
            try:
                found[value] = json.dumps(json.loads(bounded.read(os.path.join(directory, value), 16 << 20)))
            except (OSError, ValueError) as error:
                raise OperationError(f"seccomp profile {value}: {error}") from error
    return found


def place_files(world: World, identity: str, files: Sequence[PlacedFile]) -> None:
    """Give configs and secrets to a container that does not run: in memory only on our own engine, into the container's
    file system on others, which know no better way."""
    if not files:
        return
    contents = [(file, _content(file)) for file in files]
    mine = (0, 0)
    if any(file.uid is None or file.gid is None for file in files):
        mine = container_owner(world.engine, identity)
    if world.engine.is_pycompose:
        world.engine.containers.put_files(
            identity,
            [
                {
                    "Target": file.target,
                    "Content": base64.b64encode(content).decode("ascii"),
                    "UID": mine[0] if file.uid is None else file.uid,
                    "GID": mine[1] if file.gid is None else file.gid,
                    "Mode": file.mode,
                }
                for file, content in contents
            ],
        )
        return
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file, content in contents:
            info = tarfile.TarInfo(file.target.lstrip("/"))
            info.size = len(content)
            info.uid = mine[0] if file.uid is None else file.uid
            info.gid = mine[1] if file.gid is None else file.gid
            info.mode, info.mtime = file.mode, int(time.time())
            tar.addfile(info, io.BytesIO(content))
    world.engine.containers.put_archive(identity, "/", archive.getvalue())


def _content(file: PlacedFile) -> bytes:
    if file.content is not None:
        return file.content
    try:
        return bounded.read(str(file.source))
    except OSError as error:
        raise OperationError(f"{error.filename}: {error.strerror}") from error


def _files_again(world: World, operation: StartContainer) -> bool:
    """An existing container's files in memory went with the engine if that was stopped: hand them over once more.
    Whether there were any."""
    if not operation.id or not world.engine.is_pycompose or not world.has_project:
        return False
    service = world.project.services.get(operation.service)
    if service is None:
        return False
    files = placed_files(world, operation.service, service)
    place_files(world, operation.id, files)
    return bool(files)


def placed_files(world: World, name: str, service: Service) -> tuple[PlacedFile, ...]:
    """The configs, secrets and credentials that are placed in the service's containers rather than mounted."""
    if not (service.get("configs") or service.get("secrets") or service.get("use_api_socket")):
        return ()
    plan = plan_mounts(world.project, name, service, {}, world.engine.endpoint.address.path)
    return (*plan.files, *credential_files(service, configuration_file()))


def start_container(world: World, operation: StartContainer) -> None:
    shown = f"Container {operation.name}"
    identity = world.container_id(operation.name, operation.id)
    hooks = post_start_hooks(world, operation.service, identity) if operation.hooks else ()
    world.emit(Progress(shown, "Starting"))
    if hooks:
        _pending(world, identity, pending=True)  # until they have ended, whatever ends this command
    try:
        _start(world, identity, operation.behind)
    except EngineError as error:
        if error.status != 409 or not _files_again(world, operation):
            raise
        world.engine.containers.start(identity)
    if world.on_start is not None:
        world.on_start(operation.name, identity)
    if hooks:
        run_hooks(world.engine, world.emit, operation.name, identity, "post_start", hooks)
        _pending(world, identity, pending=False)
    world.emit(Progress(shown, "Started", DONE))


def _pending(world: World, identity: str, *, pending: bool) -> None:
    """Other engines, and our own of an earlier release, have no place for it."""
    if world.engine.is_pycompose:
        with contextlib.suppress(NotFound):
            world.engine.containers.put_pending(identity, pending=pending)


def _start(world: World, identity: str, behind: str) -> None:
    if behind and world.engine.is_pycompose:
        try:
            world.engine.containers.start_behind(identity, behind)
        except NotFound:
            pass  # an engine of an earlier release, or the other one has been removed: as if there were none
        else:
            return
    world.engine.containers.start(identity)


def take_over_ports(world: World, operation: TakeOverPorts) -> None:
    """On other engines there is nothing to lead: there the container could only start with ports that nobody has."""
    if not world.engine.is_pycompose:
        return
    with contextlib.suppress(NotFound):
        world.engine.containers.take_over(world.container_id(operation.name), operation.drain)


def stop_container(world: World, operation: StopContainer) -> None:
    shown = f"Container {operation.name}"
    quiet = operation.name in world.replacing
    if not quiet:
        world.emit(Progress(shown, "Stopping"))
    try:
        if operation.hooks:
            _run_pre_stop(world, operation)
        world.engine.containers.stop(operation.id, operation.timeout)
    except NotFound:
        pass
    if not quiet:
        world.emit(Progress(shown, "Stopped", DONE))


def _run_pre_stop(world: World, operation: StopContainer) -> None:
    hooks = pre_stop_hooks(world, operation.service, operation.id)
    try:
        run_hooks(world.engine, world.emit, operation.name, operation.id, "pre_stop", hooks)
    except OperationError as error:
        if not operation.removing:
            raise
        world.emit(Progress(f"Container {operation.name}", str(error), WARNING))


def remove_container(world: World, operation: RemoveContainer) -> None:
    shown = f"Container {operation.name}"
    quiet = operation.name in world.replacing
    if not quiet:
        world.emit(Progress(shown, "Removing"))
    try:
        world.engine.containers.remove(operation.id, force=operation.force, volumes=operation.volumes)
    except NotFound:
        pass
    except EngineError as error:
        if error.status != 409 or "already in progress" not in str(error):
            raise
    if not quiet:
        world.emit(Progress(shown, "Removed", DONE))


def rename_container(world: World, operation: RenameContainer) -> None:
    identity = world.container_id(operation.name, operation.id)
    world.engine.containers.rename(identity, operation.name)
    world.container_ids[operation.name] = identity
    if operation.name in world.replacing:
        world.emit(Progress(f"Container {operation.name}", "Recreated", DONE))


def roll_back(world: World, operation: RollBack) -> None:
    """Every container is tried, whatever becomes of the others. Raises `OperationError` with what went wrong."""
    wrong: list[str] = []
    size = operation.batch or len(operation.replicas)
    for begin in range(0, len(operation.replicas), size):
        if begin and operation.delay:
            time.sleep(operation.delay)
        for name, before, ran in operation.replicas[begin : begin + size]:
            try:
                _roll_back(world, name, before, ran=ran, start_first=operation.start_first)
            except EngineError as error:
                wrong.append(f"{name}: {error}")
    if wrong:
        raise OperationError(f"service {operation.service} could not be rolled back: {'; '.join(wrong)}")


def _roll_back(world: World, name: str, before: str, *, ran: bool, start_first: bool) -> None:
    shown = f"Container {name}"
    world.emit(Progress(shown, "Rolling back"))
    made = world.container_ids.get(name, before)
    if ran and start_first:
        world.engine.containers.start(before)
    if made != before:
        world.engine.containers.remove(made, force=True)
        world.container_ids[name] = before
    if ran and not start_first:
        world.engine.containers.start(before)
    world.emit(Progress(shown, "Rolled back", DONE))
