"""A StepRunner for tests of the builder alone: unshare, an overlay, bind mounts, a chroot. Not for anything hostile."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from pycompose.engine.build.steps import BindMount, CacheMount, SecretMount, SshMount, TmpfsMount

if TYPE_CHECKING:
    from pycompose.engine.build.steps import RunStep

_HEAD = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK,redirect_dir=off,metacopy=off" "$POINT"
mkdir -p "$POINT/proc" "$POINT/dev" "$POINT/sys"
mount -t proc proc "$POINT/proc"
mount -t tmpfs tmpfs "$POINT/dev"
for node in null zero full random urandom tty; do touch "$POINT/dev/$node"; mount --bind "/dev/$node" "$POINT/dev/$node"; done
"""


class ChrootRunner:
    """Keeps the steps it was given in ``steps``."""

    def __init__(self) -> None:
        self.steps: list[RunStep] = []

    def run(self, step: RunStep) -> int:
        self.steps.append(step)
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            point = directory / "point"
            point.mkdir()
            script = [_HEAD, *self._mounts(step, directory)]
            user, _, group = step.user.partition(":")
            spec = f"--userspec={user}:{group or user}" if user else ""
            inner = f"cd {shlex.quote(step.cwd)} && exec {shlex.join(step.args)}"
            env = [f"{key}={value}" for key, value in step.env.items()]
            script.append(f'exec env -i {shlex.join(env)} chroot {spec} "$POINT" /bin/sh -c {shlex.quote(inner)}')
            variables = {
                "LOWER": ":".join(map(str, step.lower)),
                "UPPER": str(step.upper),
                "WORK": str(step.work),
                "POINT": str(point),
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            }
            network = ["--net"] if step.network == "none" else []
            command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", *network]
            with subprocess.Popen(
                [*command, "sh", "-c", "\n".join(script)],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process:
                assert isinstance(process.stdout, BufferedReader)
                while data := process.stdout.read1(65536):
                    step.output("stdout", data)
            return process.returncode

    @staticmethod
    def _mounts(step: RunStep, directory: Path) -> list[str]:
        lines = []
        for index, mount in enumerate(step.mounts):
            target = f'"$POINT"{shlex.quote(mount.target)}'
            if isinstance(mount, TmpfsMount):
                lines += [f"mkdir -p {target}", f"mount -t tmpfs tmpfs {target}"]
                continue
            if isinstance(mount, SecretMount):
                source = directory / f"secret{index}"
                source.write_bytes(mount.content)
                source.chmod(mount.mode)
            else:
                assert isinstance(mount, (BindMount, CacheMount, SshMount))
                source = mount.source
            make = f"mkdir -p {target}" if source.is_dir() else f"mkdir -p $(dirname {target}); touch {target}"
            lines += [make, f"mount --bind {shlex.quote(str(source))} {target}"]
            if (isinstance(mount, BindMount) and not mount.writable) or (
                isinstance(mount, CacheMount) and mount.read_only
            ):
                lines.append(f"mount -o remount,bind,ro {target}")
        return lines
