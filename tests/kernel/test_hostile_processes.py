"""What a hostile program tries with the runtime's own processes; each test looks at the host, and at what it got hold of."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.runtime_bench import bench, discard

from pycompose.engine.runtime import defaults
from pycompose.engine.runtime.client import ExecSpec, LaunchError

if TYPE_CHECKING:
    from pycompose.engine.runtime.client import ShimClient

pytestmark = pytest.mark.root

ENVIRONMENT = [f"PATH={defaults.PATH}"]
TRACING = defaults.capabilities((*defaults.CAPABILITIES, "CAP_SYS_PTRACE"))


async def shell(shim: ShimClient, script: str) -> str:
    """What a script prints in the running container, on both streams."""
    running = await shim.exec(ExecSpec(["sh", "-c", f"exec 2>&1; {script}"], ENVIRONMENT))
    assert running.stdout is not None
    assert running.stderr is not None
    await running.wait()
    output = await asyncio.to_thread(read_all, running.stdout)
    os.close(running.stdout)
    os.close(running.stderr)
    return output


def read_all(descriptor: int) -> str:
    chunks = []
    while chunk := os.read(descriptor, 65536):
        chunks.append(chunk)
    return b"".join(chunks).decode()


def test_the_runtime_cannot_be_executed_or_changed(tmp_path: Path) -> None:
    """CVE-2019-5736: the runtime's program as the container's, as an interpreter, and by way of init."""
    program = Path(os.path.realpath(sys.executable))
    before = program.stat()

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = made.layer / "bin/evil"
            script.write_text("#!/proc/self/exe\n")
            script.chmod(0o755)
            for letter, word in (("a", "/proc/self/exe"), ("b", "/bin/evil")):
                shim = await client.fork_shim(
                    made.launch(letter, word, "-c", "import os; os.chmod(os.sys.executable, 0o4755)")
                )
                with pytest.raises(LaunchError, match="permission denied") as refused:
                    await shim.start()
                assert refused.value.exit_code == 126
                await shim.release()
            changes = {"init": True, "bundle__process__capabilities": TRACING}
            shim = await client.fork_shim(made.launch("c", "/bin/sleep", "1000", **changes))
            started = await shim.start()
            with pytest.raises(LaunchError, match="permission denied"):
                await shim.exec(ExecSpec(["/bin/evil"], ENVIRONMENT))
            assert "Read-only file system" in await shell(shim, "chmod 4755 /proc/1/exe")
            assert "Read-only file system" in await shell(shim, "touch -d @0 /proc/1/exe")
            assert "Permission denied" in await shell(shim, "/proc/1/exe -c pass")
            inode = os.stat(f"/proc/{started.pid}/exe")
            assert (inode.st_dev, inode.st_ino) != (before.st_dev, before.st_ino)
            mapped = f"/proc/{started.pid}/map_files"
            for name in os.listdir(mapped):
                with pytest.raises(OSError) as read_only:
                    os.open(f"{mapped}/{name}", os.O_WRONLY)
                # A program that runs is busy besides.
                assert read_only.value.errno in (errno.EROFS, errno.ETXTBSY)
            await discard(shim)

    asyncio.run(scenario())
    after = program.stat()
    assert (after.st_mode, after.st_ctime_ns) == (before.st_mode, before.st_ctime_ns)
