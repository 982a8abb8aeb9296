"""pre_start: a hook in a container of its own, beside the service's container that has been created and not yet started.

What the hook shares comes from that container as the engine has it, so that `start` needs no model: its volumes
(``VolumesFrom``), networks, resolver settings and environment. Not its addresses and names: nobody shall take the hook for the
service. A hook that succeeded leaves nothing; one that failed leaves its container, for whoever looks for the reason.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ... import labels
from ...client import NotFound
from ...client.frames import demultiplex
from ...errors import EngineError, OperationError
from ...labels import short_name
from ...plan.recorded import by_its_maker
from ..events import DONE, Output, Progress
from .containers import place_files, placed_files, removed_on_failure

if TYPE_CHECKING:
    from ...client.bodies import containers as client
    from ...client.bodies.containers import Container
    from ...convert.bodies import ContainerBody, EndpointSettings, HostConfig
    from ...model.service import PreStartHook
    from ...plan.ops import RunPreStart
    from .world import World

PRE_START = "pre_start"


class HookFailed(OperationError):
    """The hook ran and ended with another code than 0; its container is there to be looked at."""


def run_pre_start(world: World, operation: RunPreStart) -> None:
    """Run the hook to its end. Raises `HookFailed`, `OperationError`, `EngineError`."""
    shown = f"Container {operation.name}"
    target = world.engine.containers.inspect(world.container_id(operation.target, operation.id))
    hook = _hook(world, target, operation)
    world.emit(Progress(shown, "Running"))
    with removed_on_failure(world.engine) as made:
        identity = _create(world, operation, target, hook, made)
        _place_files(world, operation, identity)
        with contextlib.ExitStack() as unwaited:
            ending = world.engine.containers.wait_begin(identity, "next-exit")
            unwaited.callback(ending.cancel)
            world.engine.containers.start(identity)
            unwaited.pop_all()
    project = (target["Config"].get("Labels") or {}).get(labels.PROJECT, "")
    source = f"{short_name(operation.target, project)} pre_start[{operation.index}]"
    query = {"follow": 1, "stdout": 1, "stderr": 1}
    with world.engine.containers.log_stream(identity, query) as response:
        for _, data in demultiplex(response.blocks()):
            world.emit(Output(source, data.decode("utf-8", "replace")))
    code = ending.finish()
    if code != 0:
        raise HookFailed(
            f"service {operation.service}: pre_start[{operation.index}] exited with code {code}"
            f" (its container {operation.name} is kept for inspection)"
        )
    world.engine.containers.remove(identity, volumes=True)
    world.emit(Progress(shown, "Exited", DONE))


def remove_hook_container(world: World, operation: RunPreStart) -> None:
    """Take the hook's container away, running or not."""
    identity = world.container_ids.get(operation.name, operation.name)
    with contextlib.suppress(NotFound):
        world.engine.containers.remove(identity, force=True, volumes=True)


def _hook(world: World, target: Container, operation: RunPreStart) -> PreStartHook:
    from ...convert.hooks import read

    tags = target["Config"].get("Labels") or {}
    hooks = read(by_its_maker(world.engine, str(target["Image"]), tags, labels.PRE_START))
    if operation.index >= len(hooks):
        raise OperationError(f"container {operation.target} has no record of its pre_start hooks")
    return hooks[operation.index]


def _create(world: World, operation: RunPreStart, target: Container, hook: PreStartHook, made: list[str]) -> str:
    engine = world.engine
    config, host = target["Config"], target["HostConfig"]
    own_labels = config.get("Labels") or {}
    body: ContainerBody = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Image": hook.get("image") or config["Image"],
        "Env": _environment(world, target, hook),
        "WorkingDir": hook.get("working_dir") or config.get("WorkingDir") or "",
        "User": hook.get("user") or ("" if hook.get("image") else config.get("User") or ""),
        "Labels": {
            **{key: own_labels[key] for key in _INHERITED if key in own_labels},
            labels.HOOK: PRE_START,
            labels.HOOK_INDEX: str(operation.index),
            labels.HOOK_FOR: str(target["Id"]),
        },
        "HostConfig": {
            "VolumesFrom": [str(target["Id"])],
            "NetworkMode": host.get("NetworkMode") or "",
            "Privileged": hook.get("privileged", False),
            **_resolver(host),
        },
    }
    if command := hook.get("command"):
        body["Cmd"] = command
    networks = _networks(target)
    at_once = networks if engine.version >= (1, 44) else networks[:1]
    body["NetworkingConfig"] = {"EndpointsConfig": dict(at_once)}
    try:
        answer = engine.containers.create(body, operation.name)
    except EngineError as error:
        if error.status != 409:
            raise
        _remove_stale(world, operation.name)
        answer = engine.containers.create(body, operation.name)
    identity = str(answer["Id"])
    made.append(identity)
    world.container_ids[operation.name] = identity
    for network, settings in networks[len(at_once) :]:
        engine.networks.connect(network, identity, settings)
    return identity


_INHERITED = (labels.PROJECT, labels.SERVICE, labels.NUMBER, labels.WORKING_DIR, labels.CONFIG_FILES, labels.VERSION)


def _networks(target: Container) -> list[tuple[str, EndpointSettings]]:
    """The service's networks, that of the default route first, with its links; without its addresses and aliases."""
    mode = str(target["HostConfig"].get("NetworkMode") or "")
    found = (target.get("NetworkSettings") or {}).get("Networks") or {}
    if mode in ("host", "none") or mode.startswith("container:"):
        return []
    names = sorted(found, key=lambda name: name != mode)
    endpoints: list[tuple[str, EndpointSettings]] = []
    for name in names:
        links = (found[name] or {}).get("Links")
        endpoints.append((name, {"Links": links} if links else {}))
    return endpoints


def _resolver(host: client.HostConfig) -> HostConfig:
    """How the service's containers look up names."""
    found: HostConfig = {}
    if servers := host.get("Dns"):
        found["Dns"] = servers
    if options := host.get("DnsOptions"):
        found["DnsOptions"] = options
    if domains := host.get("DnsSearch"):
        found["DnsSearch"] = domains
    if hosts := host.get("ExtraHosts"):
        found["ExtraHosts"] = hosts
    return found


def _environment(world: World, target: Container, hook: PreStartHook) -> list[str]:
    """The service's variables with the hook's; in another image, without those that the service's image has set."""
    lines = list(target["Config"].get("Env") or ())
    if hook.get("image"):
        tree = world.engine.images.inspect(str(target["Image"]))
        inherited = set((tree.get("Config") or {}).get("Env") or ())
        lines = [line for line in lines if line not in inherited]
    merged: dict[str, str | None] = {line.partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line}
    merged |= hook.get("environment", {})
    return [f"{key}={value}" for key, value in merged.items() if value is not None]


def _remove_stale(world: World, name: str) -> None:
    """A hook's container from an earlier run; a container that is none is left alone."""
    tree = world.engine.containers.inspect(name)
    if (tree["Config"].get("Labels") or {}).get(labels.HOOK) == PRE_START:
        world.engine.containers.remove(str(tree["Id"]), force=True, volumes=True)


def _place_files(world: World, operation: RunPreStart, identity: str) -> None:
    """Configs and secrets that are placed rather than mounted are no volumes: the hook gets its own, beside the model."""
    if not world.has_project:
        return
    service = world.project.services.get(operation.service)
    if service is not None:
        place_files(world, identity, placed_files(world, operation.service, service))
