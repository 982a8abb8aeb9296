"""Operations on the process that becomes the container's program: groups, names, limits, identity, exec.

The order matters and is launch.py's and enter.py's business; what each one needs from its predecessors is said here.
The file system is in filesystem.py.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ...grammar import sysctls
from ..linux import caps, cgroups, lsm, namespace, owners, process, tty, userns
from ..linux.libc import KernelError
from . import init, oneid, users
from .program import find_program, not_executable

if TYPE_CHECKING:
    from ..linux import oci
    from ..linux.cgroup import Hierarchies
    from .stage import Stage


class NewSession(NamedTuple):
    """A session of its own, with the terminal on 0 (``terminal``) as the controlling one, or without any."""

    terminal: bool = False

    def execute(self, stage: Stage) -> None:
        try:
            os.setsid()
        except OSError as error:
            raise KernelError(error.errno or 0, "setsid") from None
        if self.terminal:
            tty.take_control(0)

    def describe(self) -> str:
        return "setsid"


class ExactModes(NamedTuple):
    """No umask until the root is the container's, where it is 022."""

    def execute(self, stage: Stage) -> None:
        os.umask(0)

    def describe(self) -> str:
        return "umask 0"


class LimitResources(NamedTuple):
    """Set the limits of the container's control group, which exists, from an OCI ``linux.resources``."""

    path: str
    hierarchies: Hierarchies
    resources: oci.Resources

    def execute(self, stage: Stage) -> None:
        stage.warn(cgroups.at(self.path, self.hierarchies).apply(self.resources))

    def describe(self) -> str:
        return "limits " + " ".join(name for name, value in self.resources.items() if value)


class JoinCgroup(NamedTuple):
    """Enter the container's control groups. Before any namespace changes: the host's mounts must be in sight."""

    path: str
    hierarchies: Hierarchies

    def execute(self, stage: Stage) -> None:
        cgroups.at(self.path, self.hierarchies).join_self()

    def describe(self) -> str:
        return f"join cgroup {self.path}"


class JoinNamespace(NamedTuple):
    """Enter an existing namespace: by an open descriptor, of a process (pid, start time), or by path. A pid namespace
    becomes that of our children only (Appear)."""

    kind: str
    path: str
    descriptor: int = -1
    owner: tuple[int, int] | None = None

    def execute(self, stage: Stage) -> None:
        descriptor = self.descriptor if self.descriptor >= 0 else self._open()
        if self.kind != "pid" and namespace.is_own(descriptor, namespace.FILES.get(self.kind, self.kind)):
            # The host's, which whose container it is may have had: nobody enters it without root.
            stage.not_left.add(self.kind)
            os.close(descriptor)
            return
        namespace.setns(descriptor, namespace.FLAGS[self.kind], self.path or f"{self.kind} namespace")
        if self.kind == "pid":
            stage.pids_fd = descriptor
        else:
            os.close(descriptor)

    def _open(self) -> int:
        if self.owner is None:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return process.open_namespace(*self.owner, os.path.basename(self.path))
        except ProcessLookupError as error:
            raise KernelError(error.errno or 0, "open", self.path, "the container it belongs to has ended") from None

    def describe(self) -> str:
        return f"join {self.kind} namespace {self.path}"


class JoinContainer(NamedTuple):
    """Enter all namespaces of a running process at once; its root becomes ours. Its pid namespace becomes that of our
    children only (Appear)."""

    pidfd: int
    flags: int

    def execute(self, stage: Stage) -> None:
        stage.before_leaving()
        namespace.setns(self.pidfd, self.flags, "the container's namespaces")
        os.close(self.pidfd)
        if self.flags & namespace.CLONE_NEWUSER:
            userns.become_root()
        stage.leave_host()
        stage.root_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.umask(0o022)

    def describe(self) -> str:
        return f"join namespaces {namespace.names(self.flags)}"


class Unshare(NamedTuple):
    """New namespaces. A cgroup namespace's root is the group joined before."""

    flags: int

    def execute(self, stage: Stage) -> None:
        namespace.unshare(self.flags)

    def describe(self) -> str:
        return f"unshare {namespace.names(self.flags)}"


class SetHostname(NamedTuple):
    name: str
    domain: str = ""

    def execute(self, stage: Stage) -> None:
        if self.name:
            namespace.set_hostname(self.name)
        if self.domain:
            namespace.set_domainname(self.domain)

    def describe(self) -> str:
        return f"hostname {self.name}"


class SetSysctls(NamedTuple):
    """Kernel parameters of our own namespaces, written through the host's /proc while it is in sight. A namespace that was
    joined may be the host's all the same."""

    values: tuple[tuple[str, str], ...]

    def execute(self, stage: Stage) -> None:
        for key, value in self.values:
            if (kind := sysctls.namespace(key)) in stage.not_left:
                raise ValueError(f"sysctl {key!r} not allowed in host {kind} namespace")
            path = "/proc/sys/" + sysctls.path(key)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                os.write(descriptor, value.encode())
                os.close(descriptor)
            except OSError as error:
                raise KernelError(error.errno or 0, "write sysctl", f"{key} = {value}") from None

    def describe(self) -> str:
        return "sysctl " + " ".join(f"{key}={value}" for key, value in self.values)


class JoinKeyring(NamedTuple):
    """A session keyring of its own: the one inherited holds the host's keys."""

    name: str

    def execute(self, stage: Stage) -> None:
        process.new_session_keyring(self.name)

    def describe(self) -> str:
        return "session keyring"


class ConfineNext(NamedTuple):
    """What the program will run under, told while the host's /proc is there: an AppArmor profile, an SELinux label. With
    ``reaper`` this process executes nothing, and changes to the profile itself once the program is another's."""

    profile: str
    label: str
    reaper: bool = False

    def execute(self, stage: Stage) -> None:
        try:
            if self.profile:
                lsm.execute_under_profile(self.profile)
                if self.reaper:
                    stage.own_profile = self.profile, lsm.open_own_profile()
            if self.label:
                lsm.execute_with_label(self.label)
        except OSError as error:
            raise KernelError(error.errno or 0, "confine", self.profile or self.label, error.filename or "") from None

    def describe(self) -> str:
        return f"confine {' '.join(word for word in (self.profile, self.label) if word)}"


class SetOomScore(NamedTuple):
    """How willing the kernel is to kill us for memory; lowering it takes CAP_SYS_RESOURCE."""

    value: int

    def execute(self, stage: Stage) -> None:
        if process.oom_score() != self.value:
            process.set_oom_score(self.value)

    def describe(self) -> str:
        return f"oom_score_adj {self.value}"


class SetLimits(NamedTuple):
    """Resource limits (name, soft, hard). Raising a hard limit takes CAP_SYS_RESOURCE: the error says what is allowed."""

    limits: tuple[tuple[str, int, int], ...]

    def execute(self, stage: Stage) -> None:
        for name, soft, hard in self.limits:
            process.set_resource_limit(name, soft, hard)

    def describe(self) -> str:
        return "rlimits " + " ".join(name for name, _, _ in self.limits)


class ResolveUser(NamedTuple):
    """Look the user up in the container's own passwd and group files. Needs the root. Where root is the only user there is,
    another one is who root is called in a user namespace below (oneid.py)."""

    user: str
    additional_groups: tuple[str, ...]

    def execute(self, stage: Stage) -> None:
        passwd = stage.read_small_file("/etc/passwd", users.MAX_FILE)
        group = stage.read_small_file("/etc/group", users.MAX_FILE)
        identity = stage.identity = users.resolve(self.user, passwd, group, self.additional_groups)
        if userns.has_one_id() and oneid.is_another(identity):
            oneid.become(identity, stage.descriptors_fd)
        stage.nothing_more_to_read()

    def describe(self) -> str:
        return f"resolve user {self.user!r}"


class OwnStreams(NamedTuple):
    """Give the pipes or the terminal on 0, 1, 2 to the user, who could not reopen /dev/stdout otherwise."""

    def execute(self, stage: Stage) -> None:
        for number in (0, 1, 2):
            status = os.fstat(number)
            # /dev/null belongs to everybody.
            if status.st_uid == stage.identity.uid or (stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == 1):
                continue
            owners.give(number, stage.identity.uid, -1)

    def describe(self) -> str:
        return "chown stdio"


class EnterDirectory(NamedTuple):
    """The working directory. As root; retried as the user where root may not (a network file system)."""

    path: str

    def execute(self, stage: Stage) -> None:
        try:
            os.chdir(self.path)
        except PermissionError:
            stage.pending_directory = self.path
            return
        except OSError as error:
            raise KernelError(error.errno or 0, "chdir to cwd", self.path) from None
        # Refuse to stand outside of the root, wherever the path has led (/proc/self/fd/…).
        if not os.getcwd().startswith("/"):
            raise KernelError(errno.ENOENT, "chdir to cwd", self.path, "outside of the container")

    def describe(self) -> str:
        return f"chdir {self.path}"


class NoNewPrivileges(NamedTuple):
    def execute(self, stage: Stage) -> None:
        process.no_new_privileges()

    def describe(self) -> str:
        return "no_new_privs"


class LoadSeccomp(NamedTuple):
    """The compiled filter. Without no_new_privs it takes CAP_SYS_ADMIN, so it comes before the identity changes."""

    program: bytes

    def execute(self, stage: Stage) -> None:
        process.load_seccomp(self.program)

    def describe(self) -> str:
        return f"seccomp {len(self.program) // 8} instructions"


class AskShim(NamedTuple):
    """A filter some of whose calls the shim answers; from here on we make none of them ourselves. Not for a user other than
    root, whom the kernel lets do nothing of the kind either."""

    program: bytes

    def execute(self, stage: Stage) -> None:
        if oneid.is_another(stage.identity):
            return
        stage.send_listener(process.load_asking_seccomp(self.program))

    def describe(self) -> str:
        return "seccomp with the shim's answers"


class ChangeIdentity(NamedTuple):
    """Groups, gid, uid and capabilities, in the order in which each step is still allowed. ``sets`` None: keep all."""

    sets: caps.Sets | None

    def execute(self, stage: Stage) -> None:
        identity = stage.identity
        if self.sets is not None:
            caps.limit_bounding(self.sets.bounding)
        # Where there is one id, who we are has been settled already, and the shim would be asked (AskShim).
        if not userns.has_one_id():
            if self.sets is not None:
                caps.keep_over_setuid()
            # Groups first: after setuid nobody may change them.
            os.setgroups(identity.groups)
            os.setresgid(identity.gid, identity.gid, identity.gid)
            os.setresuid(identity.uid, identity.uid, identity.uid)
        if self.sets is not None:
            caps.apply(self.sets)
        # A change of credentials may have made us dumpable again (fs.suid_dumpable).
        process.set_dumpable(False)
        if stage.pending_directory:
            os.chdir(stage.pending_directory)

    def describe(self) -> str:
        return "identity and capabilities"


class FindProgram(NamedTuple):
    """Everything for execve(2) but the call. ``name`` with a slash is a path (relative to the working directory), otherwise
    it is looked for in the PATH of ``env``, as the user, inside the container."""

    name: str
    env: tuple[str, ...]

    def execute(self, stage: Stage) -> None:
        environment = {}
        for entry in self.env:
            key, _, value = entry.partition("=")
            environment[key] = value
        environment.setdefault("HOME", stage.identity.home)
        stage.program = find_program(self.name, environment.get("PATH", ""))
        stage.environment = environment
        process.close_on_exec_from(3)
        process.reset_signals()

    def describe(self) -> str:
        return f"find {self.name!r}"


class Execute(NamedTuple):
    """Become the program that was found. With ``reaper`` we stay as pid 1, reap and forward signals, and a child becomes
    the program."""

    args: tuple[str, ...]
    reaper: bool = False
    terminal: bool = False

    def execute(self, stage: Stage) -> None:
        if self.reaper:
            init.fork_program(self.terminal, stage.own_profile)
        try:
            os.execve(stage.program, self.args, stage.environment)
        except OSError as error:
            raise not_executable(self.args[0], error) from None

    def describe(self) -> str:
        return f"exec {self.args[0]!r}"
