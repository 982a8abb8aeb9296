"""Starting a container: networks reserved, the shim forked, networks attached, the program run; all undone on failure.

reserve addresses and bind ports ─► write launch.json ─► keeper forks the shim ─► shim unshares the netns
    ─► links, rules and names into it ─► hosts and resolv.conf ─► shim runs the program
"""

from __future__ import annotations

import errno
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ... import refusals
from ...errors import Conflict, EngineError, InvalidParameter, NotFound, NotModified
from ...linux import lsm, process
from ...networks.types import ContainerRef
from ...runtime.client import LaunchError, RequestError, ShimLost
from ..spec import apparmor, bundle, confinement, links, logoptions, probing, seccomp
from . import autoports, ipc, memory, notified, supervise, takeover, users
from .state import State
from .teardown import teardown

if TYPE_CHECKING:
    from ...linux.oci import Seccomp
    from ...networks.types import Allocation
    from ...runtime.bundle import LaunchSpec
    from ...runtime.client import Prepared
    from ..spec.confinement import Confinement
    from ..spec.record import ContainerRecord, MountPoint
    from .container import Container
    from .service import Containers


class StartFailed(EngineError):
    """The container could not be started; ``exit_code`` is what inspect and ``docker run`` report."""

    def __init__(self, message: str, exit_code: int, status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status


async def start(containers: Containers, container: Container, behind: Container | None = None) -> None:
    """Run the container, with the sockets of the ports of ``behind``, for which it stands by (takeover.py). Raises
    NotModified when it runs already, and EngineError with Docker's words."""
    async with container.lock:
        check_startable(container)
        await container.settled.wait()
        with anyio.CancelScope(shield=True):
            await run(containers, container, behind)


def check_startable(container: Container) -> None:
    if container.removed or container.record.removing:
        raise Conflict("container is marked for removal and cannot be started")
    if container.state.status == "paused":
        raise Conflict("cannot start a paused container, try unpause instead")
    if container.state.active:
        raise NotModified("")


async def run(containers: Containers, container: Container, behind: Container | None = None) -> None:
    """The whole launch; the lock is held and nothing of an earlier run is left (or the shim is kept for a restart)."""
    try:
        await users.renew(containers, container)
        if container.shim is None:
            await _prepare(containers, container, behind)
        else:
            await _prepare_again(containers, container)
        shim = container.shim
        if shim is None:
            raise ShimLost("the container's supervisor has died")
        if isinstance(container.record.spec.probe, probing.NotifyProbe):
            await _open_inbox(containers, container)
        started = await shim.start()
    except BaseException as error:
        failure = _failure(error)
        await teardown(containers, container)
        state = container.state
        # As with Docker: where no program was looked for, the code of the run before stays.
        code = failure.exit_code if failure.exit_code in (126, 127) else state.exit_code or failure.exit_code
        changed = State(
            "created" if state.started_at is None else "exited",
            exit_code=code,
            error=str(failure),
            started_at=state.started_at,
            finished_at=state.finished_at,
        )
        containers.note(container, error=str(failure), exit_code=code)
        container.become(changed)
        about = {**container.record.attributes(), "error": str(failure), "exitCode": str(failure.exit_code)}
        containers.events.publish("failure", "start", container.id, about)  # Docker has no event for it
        if container.record.spec.auto_remove:
            supervise.remove_soon(containers, container)
        if isinstance(error, Exception):
            raise failure from error
        raise
    containers.note(container, intent="running", manual=False, error="", exit_code=0)
    supervise.on_started(containers, container, started)


async def _open_inbox(containers: Containers, container: Container) -> None:
    """Where the program is to report that it is ready: bound before it runs, in the namespace that it will have."""
    record, shim = container.record, container.shim
    if container.inbox is not None:
        container.inbox.forget()
    elif shim is not None and shim.netns_fd is not None:
        container.inbox = await containers.blocking(notified.bind, containers, container, shim.netns_fd)
    elif record.spec.network.joins:
        donor = _donor(containers, "network", record.spec.network.donor, record).state
        network = process.open_namespace(donor.pid, donor.pid_starttime, "net")
        try:
            container.inbox = await containers.blocking(notified.bind, containers, container, network)
        finally:
            os.close(network)
    else:
        container.inbox = await containers.blocking(notified.bind, containers, container, None)


_SYSCTL = re.compile(r"write sysctl (\S+) = .*: ([^:]+)$")


def as_docker(message: str) -> str:
    """A launch failure with the frame that Docker puts around its runtime's: scripts match on it. runc calls a directory
    in place of a program a matter of permission."""
    if message.startswith(("unable to find ", "Unable to find ")):
        return message
    if match := _SYSCTL.search(message):
        message = f"error during container init: open /proc/sys/{match[1].replace('.', '/')}: {match[2].lower()}"
    reason = message.replace("is a directory", "permission denied")
    return f"failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {reason}: unknown"


def _failure(error: BaseException) -> StartFailed:
    if isinstance(error, LaunchError):
        # A program that is missing or not executable is the request's fault, everything else the engine's.
        return StartFailed(as_docker(error.message), error.exit_code, 400 if error.exit_code in (126, 127) else 500)
    if isinstance(error, EngineError):
        return StartFailed(str(error), 128, error.status)
    if isinstance(error, ShimLost | RequestError):
        return StartFailed(f"the container's supervisor failed: {error}", 128, 500)
    if isinstance(error, OSError | MemoryError):
        words = refusals.in_words(error) if refusals.is_refusal(error) else str(error)
        return StartFailed(f"cannot start the container: {words}", 128, 500)
    return StartFailed("cannot start the container: internal error, see the engine's log", 128, 500)


async def _prepare(containers: Containers, container: Container, behind: Container | None) -> None:
    record = container.record
    container.settled.clear()
    async with takeover.shared(behind) as shared:
        allocation, launch = await containers.blocking(_make_ready, containers, record, shared)
    waits = containers.networks.stands_by(record.id)
    try:
        shim = container.shim = await containers.keeper.fork_shim(
            launch.for_shim(), allocation.sockets, relaying=not waits, towards=allocation.towards
        )
    finally:
        for descriptor in allocation.sockets:
            os.close(descriptor)
    supervise.watch(containers, container)
    prepared = await shim.prepared()
    await containers.blocking(_connect, containers, record, prepared, allocation)
    if waits and not containers.networks.stands_by(record.id):
        await takeover.carry_on(containers, record.id)  # the other one has gone meanwhile


def _make_ready(
    containers: Containers, record: ContainerRecord, shared: takeover.Shared
) -> tuple[Allocation, LaunchSpec]:
    """What is reserved and written before there is a process, in one go. The sockets of the allocation are the caller's."""
    allocation = _reserve(containers, record, shared)
    try:
        return allocation, _write_launch(containers, record)
    except BaseException:
        for descriptor in allocation.sockets:
            os.close(descriptor)
        raise


async def _prepare_again(containers: Containers, container: Container) -> None:
    """A restart keeps shim, network namespace and addresses; the configuration may have changed."""
    await containers.blocking(_write_launch, containers, container.record)
    await containers.blocking(write_files, containers, container.record)


def reference(record: ContainerRecord) -> ContainerRef:
    """What the networks know of a container."""
    return ContainerRef(record.id, record.name, record.spec.hostname, record.spec.domainname)


def _reserve(containers: Containers, record: ContainerRecord, shared: takeover.Shared) -> Allocation:
    containers.networks.set_resolver(record.id, record.spec.resolver)
    try:
        return autoports.allocate(
            containers,
            record,
            autoports.inherited(record, record.spec.ports, containers.networks.published(shared.of)),
            lambda ports: containers.networks.allocate(
                reference(record),
                record.spec.endpoints,
                ports,
                {**containers.holding.of(record.id), **shared.sockets},
                shared.of,
            ),
        )
    except Conflict as error:
        if "port is already allocated" not in str(error):
            raise
        raise EngineError(
            f"driver failed programming external connectivity on endpoint {record.name}: {error}"
        ) from None


def _write_launch(containers: Containers, record: ContainerRecord) -> LaunchSpec:
    """Everything on disk that the shim needs: launch.json, which says what is returned, and what it points to."""
    layout = containers.layout
    log = logoptions.prepare(record, str(layout.container_state(record.id) / "log"), connect=True)
    run = layout.container_run(record.id)
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.container_state(record.id) / "log").mkdir(exist_ok=True, mode=0o700)
    confined = _confine(record)
    spec = record.spec
    hostname = spec.hostname
    namespaces: dict[str, str] = {}
    donors: dict[int, int] = {}
    files: dict[str, Path] = {}
    for kind, mode in (("network", spec.network), ("ipc", spec.ipc), ("pid", spec.pid)):
        if mode.joins:
            donor = _donor(containers, kind, mode.donor, record)
            name = "net" if kind == "network" else kind
            namespaces[kind] = f"/proc/{donor.state.pid}/ns/{name}"
            donors[donor.state.pid] = donor.state.pid_starttime
            if kind == users.donor(record):
                namespaces["user"] = f"/proc/{donor.state.pid}/ns/user"
            if kind == "network":
                end = _network_owner(containers, donor)
                hostname = hostname or (end.record.spec.hostname if end else "")
                files = _files(layout.container_run(end.id)) if end else {}
    if not spec.network.joins:
        files = _files(run)
    program, profile = _seccomp(containers, record)
    inputs = bundle.Inputs(
        lower=containers.lower(record),
        sources={
            point.destination: _source(containers, record, point) for point in record.mounts if point.type != "tmpfs"
        },
        files=files,
        memory=memory.paths(layout, record),
        namespaces=namespaces,
        donors=donors,
        shm=ipc.shared_memory(containers, record),
        seccomp=program,
        profile=profile,
        resolver=containers.networks.resolver_path(record.id),
        hostname=hostname,
        variables=links.variables(containers, record),
        log=log,
        confinement=confined,
    )
    launch = run / "launch.json"
    described = bundle.launch(record, layout, inputs)
    text = json.dumps(described.document())
    if _holds(launch, text):
        return described  # a restart must work on a full disk
    temporary = run / "launch.json.new"
    try:
        # The environment is in it, and so are the user's secrets.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
        temporary.replace(launch)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return described


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(errors="surrogateescape") == text
    except FileNotFoundError:
        return False


def _confine(record: ContainerRecord) -> Confinement:
    """What the container runs under; the profile is loaded, and the files of bind mounts with ``z`` or ``Z`` labelled."""
    modules = apparmor.modules()
    confined = confinement.decide(record.spec.security, modules, privileged=record.spec.privileged)
    if confined.profile:
        apparmor.ensure_loaded(confined.profile)
    for point in record.mounts:
        words = point.mode.split(",")
        if point.type == "bind" and ("z" in words or "Z" in words) and os.path.lexists(point.source):
            label = confinement.file_label(modules, confined, shared="z" in words)
            if label:
                confinement.check_labelled(point.source)
                _label(point.source, label)
    return confined


def _label(path: str, label: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        lsm.label_tree(descriptor, label)
    except OSError as error:
        raise EngineError(f"cannot label {path} for SELinux: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _files(run: Path) -> dict[str, Path]:
    return {f"/etc/{name}": run / name for name in ("resolv.conf", "hostname", "hosts")}


def _donor(containers: Containers, kind: str, ref: str, record: ContainerRecord) -> Container:
    try:
        donor = containers.get(ref)
    except NotFound:
        raise NotFound(f"No such container: {ref}") from None
    if not donor.state.running:
        word = {"network": "network", "ipc": "IPC", "pid": "PID"}[kind]
        raise Conflict(f"cannot join {word} of a non running container: {donor.id}")
    if kind == "network" and donor.id == record.id:
        raise InvalidParameter("cannot join own network")
    if kind == "ipc" and donor.record.spec.ipc.word not in ("shareable", "host"):
        raise InvalidParameter(
            f"cannot join IPC of a container {donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        )
    return donor


def _network_owner(containers: Containers, donor: Container) -> Container | None:
    """Whose network ``donor`` has, which may have joined another's in its turn. None when that one's files are gone: it was
    removed, or does not run, while others stayed in its network."""
    passed = set()
    while (mode := donor.record.spec.network).joins:
        passed.add(donor.id)
        try:
            donor = containers.get(mode.donor)
        except NotFound:
            return None
        if donor.id in passed or not donor.state.running:
            return None
    return donor


def _source(containers: Containers, record: ContainerRecord, point: MountPoint) -> Path:
    """The host path behind a mount point, made or mounted where that is asked for."""
    if point.type == "volume":
        if record.ids and containers.volumes.get(point.name).layers:
            raise Conflict(
                f"volume {point.name} has layers of a snapshot, which the kernel shows with their own owners only: give the"
                " container userns_mode host, or export the volume and import it into another"
            )
        path = containers.volumes.acquire(point.name)
        if point.subpath:
            path = ipc.part(containers, path, point, record)
        return path
    if point.type == "image":
        image = containers.images.resolve(point.name)
        return ipc.image_view(containers, image, point, record)
    if not os.path.lexists(point.source):
        if not point.create_source:
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        try:
            os.makedirs(point.source, 0o755)
        except FileExistsError:
            pass
        except OSError as error:
            raise EngineError(f"error while creating mount source path '{point.source}': {error.strerror}") from None
    return Path(point.source)


def _seccomp(containers: Containers, record: ContainerRecord) -> tuple[Path | None, Seccomp | None]:
    """The compiled filter for our own runtime, or the profile for another one; neither when there is to be none."""
    spec, chosen = record.spec, record.spec.security.seccomp
    if chosen == "unconfined" or (spec.privileged and chosen == "default"):
        return None, None
    if spec.runtime:
        return None, seccomp.oci(chosen, spec.capabilities)
    return seccomp.program(containers.layout, chosen, spec.capabilities), None


def _connect(containers: Containers, record: ContainerRecord, prepared: Prepared, allocation: Allocation) -> None:
    if prepared.netns_fd is not None and prepared.rtnl_fd is not None and allocation.endpoints:
        containers.networks.attach(record.id, prepared.netns_fd, prepared.rtnl_fd)
    write_files(containers, record)


async def refresh_files(containers: Containers, container: Container) -> None:
    """Write the files again, and let the running container have them, and those that share its network."""
    await containers.blocking(write_files, containers, container.record)
    sources = [str(path) for path in _files(containers.layout.container_run(container.id)).values()]
    for one in containers:
        shares = one.record.spec.network.donor in (container.id, container.name)
        if one.shim is not None and (one is container or shares):
            # A shim from before has the files themselves mounted.
            with suppress(RequestError, ShimLost):
                await one.shim.refresh_files(sources)


def write_files(containers: Containers, record: ContainerRecord) -> None:
    """hosts, hostname and resolv.conf; in place, for they are bind-mounted into the running container."""
    if record.spec.network.joins:
        return
    run = containers.layout.container_run(record.id)
    texts = {
        "hosts": containers.networks.hosts(record.id, record.spec.extra_hosts, links.hosts(containers, record)),
        "resolv.conf": containers.networks.resolv_conf(record.id),
        "hostname": f"{record.spec.hostname}\n",
    }
    for name, text in texts.items():
        if not _holds(run / name, text):
            _write_in_place(run / name, text.encode())


def _write_in_place(path: Path, data: bytes) -> None:
    """Over what is there, which is cut to length last: on a full disk an empty file would be the loss of what it said."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        if os.pwrite(descriptor, data, 0) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
