"""RUN: the command line, its mounts, the cache key's part of both, and running it on top of the parent's layers.

Secrets reach the command as mounts and variables only: neither their content nor the variables are part of a key, of the
history or of a layer.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import Forbidden, InvalidParameter, Unprocessable
from ..images.types import Platform
from ..linux import binfmt, entries, owners
from ..linux.overlay import OPAQUE, PREFIX
from .cache import key_of
from .copying import Destination, Ownership
from .dockerfile.lines import parse_heredoc
from .dockerfile.words import ExpansionError
from .steps import BindMount, CacheMount, RunStep, SecretMount, SshMount, StepMount, TmpfsMount
from .trees import Tree, digest, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .dockerfile.instructions import Network, Run, Security
    from .dockerfile.mounts import Mount
    from .plan import Source
    from .session import Session
    from .state import ImageState
    from .steps import Output

_NOT_EXECUTABLE = 126
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
# What the runtime itself mounts or writes: made in the upper directory when the image lacks it, and no part of the layer.
_STUBS = ("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


@dataclass(slots=True)
class RunPlan:
    """A RUN with everything decided but its mounts' sources, which are opened only when it really runs."""

    session: Session
    instruction: Run
    state: ImageState
    mounts: Sequence[Mount]
    sources: Mapping[str, Source]
    argv: list[str] = field(default_factory=list)
    script: tuple[str, bytes] | None = None

    def __post_init__(self) -> None:
        self._decide_command()
        self._check_rights()

    def _decide_command(self) -> None:
        """Here-documents: one that is the whole command is given to the shell, or to its #! interpreter."""
        run = self.instruction
        if not run.heredocs:
            self.argv = self.state.argv(run.command)
            return
        text = run.command.words[0]
        if is_heredoc(text):
            first = run.heredocs[0]
            if first.text.startswith("#!"):
                path = f"/dev/pipes/{first.name}"
                self.script = (path, first.text.encode("utf-8", "surrogateescape"))
                # As in BuildKit the shell starts it: its words are joined like any shell form's.
                self.argv = self.state.argv(replace(run.command, words=(path,)))
                return
            self.argv = self.state.argv(replace(run.command, words=(first.text,)))
            return
        bodies = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in run.heredocs)
        self.argv = self.state.argv(replace(run.command, words=(text + bodies,)))

    def _check_rights(self) -> None:
        options, run = self.session.options, self.instruction
        if run.security == "insecure" and not self._entitled("security.insecure"):
            raise Forbidden("security.insecure is not allowed: the build lacks this entitlement")
        if run.network == "host" and options.network != "host" and not self._entitled("network.host"):
            raise Forbidden("network.host is not allowed: the build lacks this entitlement")
        if run.devices:
            raise Unprocessable("RUN --device: CDI devices are not supported by this engine")

    def _entitled(self, name: str) -> bool:
        return self.session.options.privileged or name in self.session.options.entitlements

    @property
    def network(self) -> Network:
        return self.session.options.network if self.instruction.network == "default" else self.instruction.network

    @property
    def security(self) -> Security:
        return "insecure" if self.session.options.privileged else self.instruction.security

    # key -----------------------------------------------------------------------------------------------------------
    def key(self) -> list[object]:
        script = None if self.script is None else [self.script[0], self.script[1].decode("utf-8", "replace")]
        return [
            self.argv,
            sorted(self.state.env.items()),
            self.state.cwd,
            self.state.user,
            self.network,
            self.security,
            script,
            [self._mount_key(mount) for mount in self.mounts],
        ]

    def _mount_key(self, mount: Mount) -> list[object]:
        target = self._target(mount)
        if mount.type == "bind":
            return ["bind", target, mount.read_only, self._bind_digest(mount)]
        rest = [mount.id or mount.source, mount.env, mount.mode, mount.uid, mount.gid, mount.size, mount.sharing]
        return [mount.type, target, mount.read_only, *rest]

    def _origin(self, mount: Mount) -> Source | None:
        return self.sources[mount.origin] if mount.origin else None

    def _bind_digest(self, mount: Mount) -> str:
        source = self._origin(mount)
        identity = self.session.identity(source)
        if identity is None:
            return self._compute_digest(source, mount.source)
        key = key_of("bind-from", identity, mount.source)
        return self.session.cache.memo(key, lambda: self._compute_digest(source, mount.source))

    def _compute_digest(self, source: Source | None, path: str) -> str:
        with self.session.origin(source) as origin:
            return key_of(*(digest(selection, self.session.files) for selection in select(origin.tree, path or "/")))

    def _target(self, mount: Mount) -> str:
        if not mount.target and mount.type in ("secret", "ssh"):
            return ""
        target = self.state.absolute(mount.target).rstrip("/") or "/"
        if target == "/":
            raise InvalidParameter(f'invalid mount target "{mount.target}"')
        return target

    # running -------------------------------------------------------------------------------------------------------
    def run(self, upper: Path, work: Path, output: Output) -> int:
        """Run on top of the state's layers, leaving the changes in ``upper``; the exit code."""
        session, state, options = self.session, self.state, self.session.options
        env = _with_proxies(state.env, options.args)
        lower = session.lower(state.layers)
        with ExitStack() as stack:
            mounts: list[StepMount] = []
            secret_names = {
                mount.env or _secret_id(mount)
                for mount in self.mounts
                if mount.type == "secret" and mount.env is not None
            }
            for mount in self.mounts:
                mounts += self._open(mount, env, stack)
            if self.script is not None:
                mounts.append(SecretMount(self.script[1], self.script[0], 0o755))
            targets = [*_STUBS, *(mount.target for mount in mounts)]
            points = self._mount_points(lower, targets)
            code = session.runner.run(
                RunStep(
                    lower=lower,
                    upper=upper,
                    work=work,
                    args=self.argv,
                    env=env,
                    secret_names=frozenset(secret_names),
                    cwd=state.cwd,
                    user=state.user,
                    mounts=tuple(mounts),
                    network=self.network,
                    security=self.security,
                    **({"hostname": options.hostname} if options.hostname else {}),
                    extra_hosts=options.extra_hosts,
                    shm_size=options.shm_size,
                    ulimits=options.ulimits,
                    resources=options.resources,
                    output=output,
                    cancel=session.stop,
                )
            )
        _remove_mount_points(upper, points)
        return code

    def _mount_points(self, lower: Sequence[Path], targets: Sequence[str]) -> _MountPoints:
        with self.session.images.mounted(lower) as root:
            fd = entries.open_root(root)
            try:
                destination = Destination(fd)
                missing: set[str] = set()
                above: dict[str, os.stat_result] = {}
                for target in targets:
                    real = destination.resolve(target)
                    while real and (status := destination.root.status(real)) is None:
                        missing.add(real)
                        real = real.rpartition("/")[0]
                        above.pop(real, None)
                    while real and (status := destination.root.status(real)) is not None:
                        above[real] = status
                        real = real.rpartition("/")[0]
            finally:
                os.close(fd)
        deepest_first = sorted(missing, key=lambda path: (-path.count("/"), path))
        return _MountPoints(tuple(deepest_first), above)

    def _open(self, mount: Mount, env: dict[str, str], stack: ExitStack) -> list[StepMount]:
        match mount.type:
            case "bind":
                return [self._bind(mount, stack)]
            case "cache":
                return [self._cache(mount, stack)]
            case "tmpfs":
                return [TmpfsMount(self._target(mount), mount.size)]
            case "secret":
                return self._secret(mount, env)
            case "ssh":
                return self._ssh(mount, env)

    def _bind(self, mount: Mount, stack: ExitStack) -> BindMount:
        origin = stack.enter_context(self.session.origin(self._origin(mount)))
        source = mount.source or "/"
        real = origin.tree.canonical(source)
        status = None if real is None else origin.tree.status(real)
        if real is None or status is None:
            raise Unprocessable(f'failed to calculate checksum of {origin.tree.name}: "{source}": not found')
        is_directory = stat.S_ISDIR(status.st_mode)
        if origin.tree.ignore is not None or not (is_directory or mount.read_only):
            # Ignored files must not be seen, and what is written goes with the step: the mount gets a copy.
            path = self._copied(mount) / "0"
        else:
            path = self._bound(origin.tree, real, stack)
        if not mount.read_only and is_directory:
            upper, work = self.session.scratch_directory("bind"), self.session.scratch_directory("bind")
            path = stack.enter_context(self.session.images.mounted((path,), upper, work))
        return BindMount(path, self._target(mount), writable=not mount.read_only)

    def _bound(self, tree: Tree, real: str, stack: ExitStack) -> Path:
        """A place of the engine's own with what is found there now: by its path it could be exchanged until it is bound."""
        found = tree.open(real, os.O_PATH | os.O_NOFOLLOW)
        try:
            # A link can be opened so, and mounted: whoever reads the mount would follow it.
            if stat.S_ISLNK(os.fstat(found).st_mode):
                raise Unprocessable(f"{real}: changed while it was read")
            return stack.enter_context(self.session.images.bound(found))
        finally:
            os.close(found)

    def _copied(self, mount: Mount) -> Path:
        """A directory whose entry ``0`` is a copy of what the mount names in its context."""
        holder = self.session.scratch_directory("bind")
        with self.session.origin(self._origin(mount)) as origin:
            fd = entries.open_root(holder)
            try:
                for selection in select(origin.tree, mount.source or "/"):
                    Destination(fd, cancelled=self.session.cancelled).place(selection, "/0")
            finally:
                os.close(fd)
        return holder

    def _cache(self, mount: Mount, stack: ExitStack) -> CacheMount:
        target = self._target(mount)
        owner = (mount.uid or 0, mount.gid or 0)

        def fill(directory: Path) -> None:
            fd = entries.open_root(directory)
            try:
                owners.give(fd, *owner)
                os.fchmod(fd, 0o755 if mount.mode is None else mount.mode)
                source = self._origin(mount)
                if source is None:
                    return
                with self.session.origin(source) as origin:
                    for selection in select(origin.tree, mount.source or "/"):
                        Destination(fd, Ownership(), self.session.cancelled).place(selection, "/")
            finally:
                os.close(fd)

        use = self.session.mounts.use(mount.id or target, mount.sharing, self.session.cancelled, fill)
        return CacheMount(stack.enter_context(use), target, mount.read_only)

    def _secret(self, mount: Mount, env: dict[str, str]) -> list[StepMount]:
        id = _secret_id(mount)
        content = self.session.options.secrets.get(id)
        if content is None:
            if mount.required:
                raise Unprocessable(f"secret {id}: not found")
            return []
        if mount.env is not None:
            if b"\0" in content:
                raise Unprocessable(f"secret {id}: a zero byte cannot be part of a variable")
            env[mount.env or id] = content.decode("utf-8", "surrogateescape")
            if not mount.target:
                return []
        target = self._target(mount) or f"/run/secrets/{os.path.basename(id)}"
        mode = 0o400 if mount.mode is None else mount.mode
        return [SecretMount(content, target, mode, mount.uid or 0, mount.gid or 0)]

    def _ssh(self, mount: Mount, env: dict[str, str]) -> list[StepMount]:
        id = mount.id or "default"
        agent = self.session.options.ssh.get(id)
        if agent is None:
            if mount.required:
                raise Unprocessable(f"unset ssh forward key {id}")
            return []
        try:
            is_socket = stat.S_ISSOCK(os.stat(agent).st_mode)
        except OSError as error:
            raise Unprocessable(f"ssh agent {id}: {agent}: {error.strerror}") from None
        if not is_socket:
            raise Unprocessable(f"ssh agent {id}: {agent} is not a socket (keys must be loaded into an agent)")
        target = self._target(mount) or f"/run/buildkit/ssh_agent.{len([m for m in env if m == 'SSH_AUTH_SOCK'])}"
        env.setdefault("SSH_AUTH_SOCK", target)
        mode = 0o600 if mount.mode is None else mount.mode
        return [SshMount(agent, target, mode, mount.uid or 0, mount.gid or 0)]


def is_heredoc(text: str) -> bool:
    """Whether a command consists of nothing but a here-document."""
    try:
        return parse_heredoc(text) is not None
    except ExpansionError:
        return False


@dataclass(frozen=True, slots=True)
class _MountPoints:
    """What the image lacks of a step's mount points, deepest first; and the directories above them as the image has them."""

    missing: tuple[str, ...]
    above: Mapping[str, os.stat_result]


def _remove_mount_points(upper: Path, points: _MountPoints) -> None:
    """Take empty mount points, made by the runtime, out of the changes, and directories changed by nothing else."""
    fd = entries.open_root(upper)
    try:
        destination = Destination(fd)
        for path in points.missing:
            status = destination.root.status(path)
            if status is None:
                continue
            with destination.inside(path) as (parent, name):
                if stat.S_ISDIR(status.st_mode):
                    with suppress(OSError):  # not empty: the command has put something there
                        os.rmdir(name, dir_fd=parent)
                elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
                    os.unlink(name, dir_fd=parent)
        for path in sorted(points.above, key=lambda path: -path.count("/")):
            before, status = points.above[path], destination.root.status(path)
            if status is None or not stat.S_ISDIR(status.st_mode):
                continue
            same = (before.st_mode, before.st_uid, before.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
            if same and not _is_marked(destination, path):
                # An empty directory over one with the same attributes changes nothing.
                with destination.inside(path) as (parent, name), suppress(OSError):
                    os.rmdir(name, dir_fd=parent)
    finally:
        os.close(fd)


def _with_proxies(env: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
    """The environment with the proxies among the arguments, in capitals and not: of programs some read one, some the other."""
    proxies = {name: value for name, value in args.items() if name.lower() in _PROXIES}
    both = {form: value for name, value in proxies.items() for form in (name.upper(), name.lower())}
    return {**both, **proxies, **env}


def _secret_id(mount: Mount) -> str:
    return mount.id or mount.source or os.path.basename(mount.target)


def _is_marked(destination: Destination, path: str) -> bool:
    """Whether a directory of the changes is opaque or has attributes of its own; the overlay's other notes mean nothing."""
    fd = destination.root.open(path)
    try:
        names = os.listxattr(fd)
    finally:
        os.close(fd)
    return any(name == OPAQUE or not name.startswith(PREFIX) for name in names)


def describe_failure(argv: Sequence[str], code: int, platform: str = "") -> str:
    """BuildKit's words for a command that failed, and ours where this machine is known not to run its platform's programs."""
    text = f"process {json.dumps(' '.join(argv), ensure_ascii=False)} did not complete successfully: exit code: {code}"
    host, wanted = Platform.host(), Platform.parse(platform) if platform else Platform.host()
    runs = binfmt.runs(wanted.architecture, host.architecture)
    if runs or (runs is None and code != _NOT_EXECUTABLE):
        return text
    return (
        f"{text}: this machine ({host}) does not run programs for {wanted}: RUN needs an emulator that is registered with"
        " binfmt_misc and its flag F, as Debian's qemu-user-static does; stages FROM --platform=$BUILDPLATFORM run natively"
    )
