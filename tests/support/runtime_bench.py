"""A bench for kernel tests of the runtime: a keeper without an engine, a busybox root, launches, and what was left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pycompose.engine.containers.spec import userspace
from pycompose.engine.layout import Layout
from pycompose.engine.linux import cgroups, idmap, process
from pycompose.engine.runtime import defaults, protocol, statusfile
from pycompose.engine.runtime.client import Exited, KeeperClient, Lost, ShimClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

BARE_KEEPER = Path(__file__).parent / "bare_keeper.py"


class Bench:
    """One engine root with a keeper. Containers are named by letters for readability: ``id("a")``.

    With ``first_ids`` each has a user namespace of its own, and what is private of namespaces belongs to it.
    """

    first_ids: ClassVar[int] = 0

    def __init__(self, root: Path) -> None:
        self.layout = Layout.for_root(root)
        self.layout.run.mkdir(parents=True)
        self.layer = make_layer(self.layout.layers / "busybox" / "fs")
        self.keeper: subprocess.Popen[bytes] | None = None
        self._clients: list[KeeperClient] = []

    @staticmethod
    def id(letter: str) -> str:
        return letter * 64

    def start_keeper(self) -> KeeperClient:
        ours, theirs = protocol.pair()
        with theirs:
            # As to an engine that it has started, which finds it waiting.
            protocol.send(theirs, protocol.hello(("fork", "guard", "shutdown")))
            command = [sys.executable, "-I", "-S", "-E", str(BARE_KEEPER), str(theirs.fileno()), str(self.layout.root)]
            self.keeper = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        client = KeeperClient(ours.detach())
        self._clients.append(client)
        return client

    def launch(self, letter: str, *args: str, **changes: Any) -> Path:
        """Write launch.json for ``args``; ``changes`` replace members of it, dotted with ``__`` (``bundle__hostname``)."""
        identity = self.id(letter)
        state, run = self.layout.container_state(identity), self.layout.container_run(identity)
        for directory in (state / "upper", state / "work", run):
            directory.mkdir(parents=True, exist_ok=True)
        document: dict[str, Any] = {
            "id": identity,
            "bundle": {
                "ociVersion": "1.0.2",
                "root": {"path": "rootfs", "readonly": False},
                "hostname": letter * 12,
                "mounts": defaults.mounts(),
                "process": {
                    "args": list(args),
                    "env": [f"PATH={defaults.PATH}"],
                    "cwd": "/",
                    "terminal": False,
                    "capabilities": defaults.capabilities(),
                    "noNewPrivileges": False,
                },
                "linux": {
                    "namespaces": defaults.namespaces(),
                    "resources": {"devices": defaults.device_rules()},
                    "maskedPaths": list(defaults.MASKED_PATHS),
                    "readonlyPaths": list(defaults.READONLY_PATHS),
                    "cgroupsPath": f"/pycompose-{self.layout.instance}/{identity}",
                },
            },
            "rootfs": {"lower": [str(self.layer)], "upper": str(state / "upper"), "work": str(state / "work")},
            "user": "",
            "additional_groups": [],
            "seccomp": None,
            "init": False,
            "stdin": {"open": False, "once": False},
            "log": {"directory": str(state / "log"), "driver": "json-file", "max_size": None, "max_file": 1},
            "restart": {"name": "no", "maximum_retry_count": 0},
            "stop": {"signal": "SIGTERM", "timeout": 10},
            "network": {"mode": "new"},
            "resolver": None,
            "status": str(state / "status.json"),
            "control": str(run / "shim.sock"),
        }
        for path, value in changes.items():
            *parents, last = path.split("__")
            target = document
            for parent in parents:
                target = target[parent]
            target[last] = value
        if self.first_ids:
            linux = document["bundle"]["linux"]
            linux["namespaces"] = [*linux["namespaces"], {"type": "user"}]
            for entry in document["bundle"]["mounts"]:
                if entry.get("source") in document.get("own_files", ()):
                    entry["options"] = [*entry["options"], "idmap"]
            linux |= userspace.mappings(self.first_ids + idmap.IDS * (ord(letter[0]) - ord("a")))
        (run / "launch.json").write_text(json.dumps(document))
        return run / "launch.json"

    def status(self, letter: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            (self.layout.container_state(self.id(letter)) / "status.json").read_text()
        )
        return document

    def output(self, letter: str) -> bytes:
        """Everything in the log, both streams in order."""
        directory = self.layout.container_state(self.id(letter)) / "log"
        return b"".join(path.read_bytes() for path in sorted(directory.glob("*.data")))

    async def run(self, client: KeeperClient, letter: str, *args: str, **changes: Any) -> tuple[int | None, str]:
        """Run to the end: exit code and output."""
        shim = await client.fork_shim(self.launch(letter, *args, **changes))
        try:
            await shim.prepared()
            await shim.start()
            code = (await exited(shim)).exit_code
        finally:
            await discard(shim)
        return code, self.output(letter).decode()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.keeper is not None:
            self.keeper.kill()
            self.keeper.wait()

    def scrap(self) -> None:
        """After a failure: end what the test has not ended, so that it is in nobody's way."""
        for path in self.layout.state.glob("containers/*/status.json"):
            status = statusfile.read(str(path))
            if status is None:
                continue
            shim = process.open_pidfd(status["shim_pid"], status["shim_starttime"])
            if shim is not None:
                process.send_signal(shim, signal.SIGKILL)
                select.select([shim], [], [], 5)
                os.close(shim)
            statusfile.bury(str(path), f"/pycompose-{self.layout.instance}/{path.parent.name}")

    def leftovers(self) -> list[str]:
        """What still exists of this root in the kernel: processes, mounts, control groups."""
        found: list[str] = []
        root = str(self.layout.root)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                texts = [(entry / "cgroup").read_text(), (entry / "cmdline").read_text()]
                held = [os.readlink(link) for link in (entry / "fd").iterdir()]
                if any(f"pycompose-{self.layout.instance}" in text or root in text for text in [*texts, *held]):
                    found.append(f"process {entry.name} {texts[1]!r}")
        found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if root in line]
        instance = cgroups.at(f"/pycompose-{self.layout.instance}")
        for directory in instance.directories:
            found += [f"cgroup {path}" for path in Path(directory).glob("*/")]
        return found


async def exited(shim: ShimClient) -> Exited:
    """The next final exit among the shim's events."""
    async with asyncio.timeout(20):
        async for event in shim.events():
            if isinstance(event, Exited) and not event.restarting:
                return event
            assert not isinstance(event, Lost), "the shim died"
    raise AssertionError("the shim was released")


async def discard(shim: ShimClient) -> None:
    """Stop at once and release."""
    async with asyncio.timeout(20):
        await shim.stop(signal.SIGKILL, None)
        await shim.release()


async def until(condition: Callable[[], Any]) -> None:
    """Poll for what files say; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        await asyncio.sleep(0.005)


def make_layer(directory: Path) -> Path:
    """A root file system around the host's static busybox."""
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "home/alice"):
        (directory / name).mkdir(parents=True)
    (directory / "tmp").chmod(0o1777)
    busybox = shutil.which("busybox")
    assert busybox, "these tests need a static busybox on PATH"
    shutil.copy(busybox, directory / "bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (directory / "bin" / applet).symlink_to("busybox")
    (directory / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
    )
    (directory / "etc/group").write_text("root:x:0:\nalice:x:1000:\naudio:x:29:alice\nnogroup:x:65534:\n")
    os.chown(directory / "home/alice", 1000, 1000)
    return directory


@contextlib.asynccontextmanager
async def bench(root: Path) -> AsyncIterator[tuple[Bench, KeeperClient]]:
    """A bench with its keeper; asserts at the end that nothing is left."""
    made = Bench(root)
    client = made.start_keeper()
    try:
        yield made, client
    except BaseException:
        made.scrap()
        raise
    finally:
        made.close()
    await settled(made)


async def settled(made: Bench) -> None:
    """Assert that nothing is left, giving the kernel a moment to finish."""
    deadline = time.monotonic() + 5
    # The kernel has no event for the end of everything that a container was.
    while made.leftovers() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    left = made.leftovers()
    assert not left, left
    cgroups.remove_instance(made.layout.instance)
