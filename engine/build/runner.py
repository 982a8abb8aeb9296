"""The real StepRunner: a RUN step is a short-lived container without a record, with egress by the default network.

    addresses ─► launch.json ─► keeper forks a shim ─► links into its network namespace ─► run ─► log followed live
        ─► exit ─► shim released, addresses given back, files removed

A step belongs to the engine that started it: after a crash ``recover`` ends what is still running. Secrets lie in a tmpfs
that is mounted for the step alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from ..containers.spec import apparmor, confinement, seccomp, security
from ..errors import EngineError, Unprocessable
from ..linux import mount, owners
from ..linux.tree import remove_directory
from ..networks.types import ContainerRef, EndpointRequest
from ..runtime import statusfile
from ..runtime.bundle import LaunchSpec, LogSpec
from ..runtime.client import Exited, LaunchError, Lost, RequestError, ShimClient, ShimLost
from ..runtime.logread import LogReader
from .bundle import step_bundle
from .steps import RunStep, SecretMount

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..images.types import RootRunner
    from ..layout import Layout
    from ..networks import Networks
    from ..runtime.client import KeeperClient

T = TypeVar("T")

_POLL = 200  # milliseconds between looks at the cancel event, which has no descriptor to wait on
_VARIABLES = ""
"""Target of the file of secret variables: no mount has it."""
_NOT_RUNNABLE = (126, 127)
_STREAMS = {1: "stdout", 2: "stderr"}


class ContainerRunner:
    """Runs steps on the keeper's shims. ``loop`` is the engine's event loop; ``run`` is called from other threads."""

    def __init__(
        self, keeper: KeeperClient, networks: Networks, layout: Layout, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._keeper, self._networks, self._layout, self._loop = keeper, networks, layout, loop

    def _wait(self, work: Coroutine[object, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def run(self, step: RunStep) -> int:
        """See StepRunner.run."""
        id = os.urandom(32).hex()
        directory = self._layout.build_runs / id
        logs = self._layout.build_cache / "logs" / id
        try:
            with ExitStack() as stack:
                directory.mkdir(parents=True, mode=0o711)
                stack.callback(remove_directory, directory)
                logs.mkdir(parents=True, mode=0o700)
                stack.callback(remove_directory, logs)
                return self._run(step, id, directory, logs, stack)
        except LaunchError as error:
            if error.exit_code not in _NOT_RUNNABLE:
                raise Unprocessable(error.message) from None
            step.output("stderr", f"{error.message}\n".encode())
            return error.exit_code
        except (ShimLost, RequestError) as error:
            raise EngineError(f"the build step's supervisor failed: {error}") from None

    def _run(self, step: RunStep, id: str, directory: Path, logs: Path, stack: ExitStack) -> int:
        reference = ContainerRef(id, f"build-{id[:12]}", step.hostname)
        network = {"default": "bridge"}.get(step.network, step.network)
        # What the networks write for the container goes with it.
        stack.callback(remove_directory, self._layout.container_run(id))
        stack.callback(self._networks.detach, id)
        allocation = self._networks.allocate(reference, [EndpointRequest(network)], [])
        files = {f"/etc/{name}": directory / name for name in ("hosts", "hostname", "resolv.conf")}
        launch = directory / "launch.json"
        secrets = stack.enter_context(self._secrets(step))
        spec = self._launch(step, id, directory, logs, files, secrets)
        with open(os.open(launch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(spec.document(), file)
        shim = self._wait(self._keeper.fork_shim(spec.for_shim()))
        # Once the shim stands it is ended and released whatever happens.
        stack.callback(lambda: self._wait(_end(shim)))
        prepared = self._wait(shim.prepared())
        if allocation.endpoints and prepared.netns_fd is not None and prepared.rtnl_fd is not None:
            self._networks.attach(id, prepared.netns_fd, prepared.rtnl_fd)
        self._write_files(step, id, files)
        return self._follow(step, shim, logs)

    def _write_files(self, step: RunStep, id: str, files: Mapping[str, Path]) -> None:
        texts = {
            "/etc/hosts": self._networks.hosts(id, step.extra_hosts),
            "/etc/hostname": f"{step.hostname}\n",
            "/etc/resolv.conf": self._networks.resolv_conf(id),
        }
        for name, text in texts.items():
            files[name].write_text(text)
            files[name].chmod(0o644)

    @contextmanager
    def _secrets(self, step: RunStep) -> Iterator[dict[str, Path]]:
        """Files of the step's secrets by target, in memory only; its secret variables are one of them, by the name ""."""
        wanted = [entry for entry in step.mounts if isinstance(entry, SecretMount)]
        variables = [f"{name}={value}" for name, value in step.env.items() if name in step.secret_names]
        if variables:
            wanted.append(SecretMount(json.dumps(variables).encode(), _VARIABLES, 0o400))
        if not wanted:
            yield {}
            return
        point = self._layout.mounts / f"secrets-{os.urandom(6).hex()}"
        point.mkdir(parents=True, mode=0o700)
        try:
            _mount_tmpfs(point)
            try:
                found = {}
                for index, entry in enumerate(wanted):
                    path = found[entry.target] = point / str(index)
                    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                    with os.fdopen(fd, "wb") as file:
                        file.write(entry.content)
                        owners.give(fd, entry.uid, entry.gid)
                        os.fchmod(fd, entry.mode)
                yield found
            finally:
                mount.umount(str(point), mount.MNT_DETACH)
        finally:
            point.rmdir()

    def _launch(
        self,
        step: RunStep,
        id: str,
        directory: Path,
        logs: Path,
        files: Mapping[str, Path],
        secrets: Mapping[str, Path],
    ) -> LaunchSpec:
        privileged = step.security == "insecure"
        capabilities = security.capabilities(None, None, privileged=privileged)
        confined = confinement.decide(security.SecurityOptions(), apparmor.modules(), privileged=privileged)
        if confined.profile:
            apparmor.ensure_loaded(confined.profile)
        program = None if privileged else seccomp.program(self._layout, "default", capabilities)
        own_names = step.network not in ("default", "none", "host")
        return LaunchSpec(
            directory=str(directory),
            id=id,
            config=step_bundle(
                step,
                files,
                secrets,
                capabilities,
                cgroup=f"/pycompose-{self._layout.instance}/{id}",
                profile=confined.profile,
            ),
            lower=tuple(str(path) for path in step.lower),
            upper=str(step.upper),
            work=str(step.work),
            log=LogSpec(str(logs), "json-file", None, 1, {}),
            status=str(directory / "status.json"),
            control=str(directory / "shim.sock"),
            user=step.user,
            seccomp=None if program is None else str(program),
            own_files=tuple(str(path) for path in files.values()),
            environment=str(secrets[_VARIABLES]) if _VARIABLES in secrets else None,
            stop_signal=signal.SIGKILL,
            stop_timeout=0.0,
            network_mode="host" if step.network == "host" else "new",
            resolver=str(self._networks.resolver_path(id)) if own_names else None,
        )

    def _follow(self, step: RunStep, shim: ShimClient, logs: Path) -> int:
        """Start the command, hand out what it writes as it comes, and return its exit code."""
        wake, notify = socket.socketpair()
        with wake, notify, LogReader(str(logs), lines=False, follow=True) as reader:
            self._wait(shim.start())
            ended = asyncio.run_coroutine_threadsafe(_exit(shim), self._loop)
            ended.add_done_callback(lambda _: notify.send(b"x"))
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.register(reader.fileno(), select.POLLIN)
            while True:
                cancelled = step.cancel is not None and step.cancel.is_set()
                if cancelled:
                    with contextlib.suppress(ShimLost, RequestError):
                        self._wait(shim.stop(9, None))
                ready = ended.done() or poll.poll(_POLL)
                finished = ended.done()  # before the last look: nothing is written after it
                while ready and (entries := reader.read_available()):
                    for entry in entries:
                        step.output("stderr" if entry.stream == 2 else "stdout", entry.data)
                if finished:
                    break
            event = ended.result()
        if cancelled:
            raise Unprocessable("context canceled")
        if isinstance(event, Lost) or event.exit_code is None:
            raise EngineError("the build step's supervisor died, its result is unknown")
        if event.error:
            raise Unprocessable(event.error)
        if event.oom_killed and event.exit_code:
            step.output("stderr", b"the command was killed: out of memory\n")
        return event.exit_code

    async def recover(self) -> None:
        """End steps that a killed engine left running. Call at engine start, before any build."""
        if not self._layout.build_runs.is_dir():
            return
        for directory in list(self._layout.build_runs.iterdir()):
            with contextlib.suppress(ShimLost):
                await _end(await ShimClient.connect(directory / "shim.sock"))
            # A shim that was killed together with the keeper has left its control group, and perhaps a program in it.
            with contextlib.suppress(ValueError):
                await asyncio.to_thread(
                    statusfile.bury,
                    str(directory / "status.json"),
                    f"/pycompose-{self._layout.instance}/{directory.name}",
                )
            await asyncio.to_thread(self._networks.detach, directory.name)
            for leftover in (directory, self._layout.container_run(directory.name)):
                remove_directory(leftover)
        remove_directory(self._layout.build_cache / "logs")


async def _exit(shim: ShimClient) -> Exited | Lost:
    async for event in shim.events():
        if isinstance(event, Exited | Lost):
            return event
    return Lost()


async def _end(shim: ShimClient) -> None:
    """Kill what runs, and let the shim go."""
    try:
        with contextlib.suppress(RequestError):
            await shim.stop(9, None)
        await shim.release()
    except (ShimLost, RequestError):
        shim.close()


def _mount_tmpfs(point: Path) -> None:
    descriptor = mount.new_filesystem("tmpfs", [("mode", "0700"), ("size", "64m")], source="tmpfs")
    try:
        target = os.open(point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount.move_mount(descriptor, target, str(point))
        finally:
            os.close(target)
    finally:
        os.close(descriptor)


def root_runner(runner: ContainerRunner) -> RootRunner:
    """The same as image bootstrap wants it."""

    def run(
        *,
        lower: Sequence[Path],
        upper: Path,
        work: Path,
        args: Sequence[str],
        env: Mapping[str, str],
        network: bool,
        output: Callable[[bytes], None],
    ) -> int:
        return runner.run(
            RunStep(
                lower=lower,
                upper=upper,
                work=work,
                args=args,
                env=env,
                network="default" if network else "none",
                output=lambda _, data: output(data),
            )
        )

    return run
