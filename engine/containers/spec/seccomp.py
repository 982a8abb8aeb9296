"""Seccomp profiles: read (Docker's and the OCI's JSON), resolved for one container, compiled to BPF, cached.

The built-in profile is seccomp_default.json, in the same format as a user's. What depends on the container (its
capabilities) and the machine (architecture, kernel) is decided here, by :func:`resolve`, purely; libseccomp compiles;
loading the program is the launch's work (linux/process.load_seccomp).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from ...errors import InvalidParameter, Unavailable
from ...shapes import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ...layout import Layout
    from ...linux.oci import Seccomp, SeccompRule

# In the cache key: raise it whenever the same profile compiles to something else.
_FORMAT = 1

_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_OPERATOR_NAMES = {number: name for name, number in _OPERATORS.items()}
# uname's machine: its name in architecture lists, and Go's name for it, which Docker's conditions use.
_MACHINES = {
    "x86_64": ("SCMP_ARCH_X86_64", "amd64"),
    "i686": ("SCMP_ARCH_X86", "386"),
    "aarch64": ("SCMP_ARCH_AARCH64", "arm64"),
    "armv7l": ("SCMP_ARCH_ARM", "arm"),
    "riscv64": ("SCMP_ARCH_RISCV64", "riscv64"),
    "ppc64le": ("SCMP_ARCH_PPC64LE", "ppc64le"),
    "s390x": ("SCMP_ARCH_S390X", "s390x"),
}
_ALLOWING = (_ACTIONS["SCMP_ACT_ALLOW"], _ACTIONS["SCMP_ACT_LOG"])


@dataclass(frozen=True, slots=True)
class Machine:
    """What a profile may depend on besides the container. ``kernel`` is (major, minor)."""

    name: str
    kernel: tuple[int, int]

    @staticmethod
    def this() -> Machine:
        system = os.uname()
        return Machine(system.machine, _version(system.release))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on the argument ``index`` of a system call."""

    index: int
    operator: int
    value: int
    value_two: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One action for some system calls, where all comparisons hold."""

    names: tuple[str, ...]
    action: int
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with nothing conditional left. ``architectures`` are SCMP_ARCH_ names, the native one among them."""

    default_action: int
    architectures: tuple[str, ...]
    rules: tuple[Rule, ...]


def program(layout: Layout, profile: str, capabilities: Sequence[str]) -> Path:
    """The file with the compiled program of ``profile`` (``default`` or the text of a profile) for these capabilities.

    Compiled once for each content. Raises InvalidParameter for a bad profile, Unavailable without libseccomp.
    """
    text = default_text() if profile == "default" else profile
    machine = Machine.this()
    key = json.dumps([_FORMAT, text, sorted(capabilities), machine.name, machine.kernel])
    path = layout.cache / "seccomp" / f"{hashlib.sha256(key.encode()).hexdigest()}.bpf"
    if not path.exists():
        with _compiling:
            if not path.exists():
                _keep(path, compile_profile(resolve(text, capabilities, machine)))
    return path


_compiling = threading.Lock()
"""All containers of a first `up` want the same program, and each compilation takes every other's processor."""


def _keep(path: Path, code: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(code)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def oci(profile: str, capabilities: Sequence[str]) -> Seccomp:
    """The profile for these capabilities as ``linux.seccomp`` of the OCI runtime specification: for other runtimes,
    which compile it themselves. Raises InvalidParameter for a bad profile."""
    text = default_text() if profile == "default" else profile
    resolved = resolve(text, capabilities, Machine.this())
    action, number = _oci_action(resolved.default_action)
    result: Seccomp = {
        "defaultAction": action,
        "architectures": list(resolved.architectures),
        "syscalls": [_oci_rule(rule) for rule in resolved.rules],
    }
    if number is not None:
        result["defaultErrnoRet"] = number
    return result


def _oci_rule(rule: Rule) -> SeccompRule:
    action, number = _oci_action(rule.action)
    result: SeccompRule = {
        "names": list(rule.names),
        "action": action,
        "args": [
            {"index": one.index, "op": _OPERATOR_NAMES[one.operator], "value": one.value, "valueTwo": one.value_two}
            for one in rule.comparisons
        ],
    }
    if number is not None:
        result["errnoRet"] = number
    return result


def _oci_action(action: int) -> tuple[str, int | None]:
    """The name of an action, and the number that goes with some."""
    for name in _WITH_NUMBER:
        if action & ~0xFFFF == _ACTIONS[name]:
            return name, action & 0xFFFF
    return next(name for name, number in _ACTIONS.items() if number == action), None


@cache
def default_text() -> str:
    """The built-in profile."""
    return resources.files(__package__).joinpath("seccomp_default.json").read_text(encoding="utf-8")


def resolve(text: str, capabilities: Collection[str], machine: Machine) -> Profile:
    """Read a profile and decide all its conditions (includes and excludes of capabilities, architectures, kernels).

    Raises InvalidParameter saying where the profile is wrong.
    """
    try:
        document = decode(text)
    except ValueError as error:
        raise _bad(str(error)) from None
    if not isinstance(document, dict):
        raise _bad("not an object")
    known = _MACHINES.get(machine.name)
    if known is None:
        raise Unavailable(f"seccomp filters are not supported on {machine.name}; use seccomp=unconfined")
    native, go_name = known
    rules = []
    for position, entry in enumerate(_list(document, "syscalls", "")):
        where = f"syscalls[{position}]"
        if not isinstance(entry, dict):
            raise _bad(f"{where} is not an object")
        included = _applies(entry.get("includes"), where, capabilities, go_name, machine.kernel, every_capability=True)
        excluded = _applies(entry.get("excludes"), where, capabilities, go_name, machine.kernel, every_capability=False)
        if included is not False and not excluded:
            rules.extend(_rules(entry, where))
    default_action = _action(document.get("defaultAction"), document.get("defaultErrnoRet"), "defaultAction")
    return Profile(default_action, _architectures(document, native), tuple(rules))


def _applies(
    conditions: object,
    where: str,
    capabilities: Collection[str],
    architecture: str,
    kernel: tuple[int, int],
    *,
    every_capability: bool,
) -> bool | None:
    """Whether the conditions hold: all kinds for includes, any kind for excludes. None when there are none."""
    if not conditions:
        return None
    if not isinstance(conditions, dict):
        raise _bad(f"{where}: conditions are not an object")
    held: list[bool] = []
    if caps := _list(conditions, "caps", where):
        held.append(
            all(cap in capabilities for cap in caps) if every_capability else any(c in capabilities for c in caps)
        )
    if arches := _list(conditions, "arches", where):
        held.append(architecture in arches)
    if least := conditions.get("minKernel"):
        held.append(kernel >= _version(str(least)))
    if not held:
        return None
    return all(held) if every_capability else any(held)


def _rules(entry: Mapping[str, object], where: str) -> list[Rule]:
    given = _list(entry, "names", where) or ([entry["name"]] if entry.get("name") else [])
    names = tuple(name for name in given if isinstance(name, str))
    if not given or len(names) < len(given):
        raise _bad(f"{where} names no system calls")
    action = _action(entry.get("action"), entry.get("errnoRet"), f"{where}.action")
    comparisons = []
    for argument in _list(entry, "args", where):
        if not isinstance(argument, dict) or argument.get("op") not in _OPERATORS:
            raise _bad(f"{where}.args has no known op")
        index, value, second = (_number(argument, key, where) for key in ("index", "value", "valueTwo"))
        if index > 5:
            raise _bad(f"{where}.args has a number out of range")
        comparisons.append(Comparison(index, _OPERATORS[argument["op"]], value, second))
    if len({comparison.index for comparison in comparisons}) < len(comparisons):
        # The kernel tests an argument once a rule: the same argument twice means either, as runtimes read it.
        return [Rule(names, action, (comparison,)) for comparison in comparisons]
    return [Rule(names, action, tuple(comparisons))]


def _number(argument: Mapping[str, object], key: str, where: str) -> int:
    number = argument.get(key, 0)
    if not isinstance(number, int) or not 0 <= number < 1 << 64:
        raise _bad(f"{where}.args has a number out of range")
    return number


def _action(name: object, number: object, where: str) -> int:
    if not isinstance(name, str) or name not in _ACTIONS:
        raise _bad(f"{where}: unknown or unsupported action {name!r}")
    if name not in _WITH_NUMBER:
        return _ACTIONS[name]
    value = errno.EPERM if number is None else number
    if not isinstance(value, int) or not 0 <= value < 4096:
        raise _bad(f"{where}: error number out of range")
    return _ACTIONS[name] | value


def _architectures(document: Mapping[str, object], native: str) -> tuple[str, ...]:
    chosen: list[object] = [native]
    for entry in _list(document, "archMap", ""):
        if isinstance(entry, dict) and entry.get("architecture") == native:
            chosen += _list(entry, "subArchitectures", "archMap")
    chosen += _list(document, "architectures", "")
    names = [name for name in chosen if isinstance(name, str) and name.startswith("SCMP_ARCH_")]
    if len(names) < len(chosen):
        raise _bad("unknown architecture")
    return tuple(dict.fromkeys(names))


def _list(document: Mapping[str, object], key: str, where: str) -> list[object]:
    value = document.get(key) or []
    if not isinstance(value, list):
        raise _bad(f"{where}{'.' if where else ''}{key} is not a list")
    return value


def _bad(why: str) -> InvalidParameter:
    return InvalidParameter(f"Decoding seccomp profile failed: {why}")


def _version(release: str) -> tuple[int, int]:
    major, _, rest = release.partition(".")
    digits = "".join(character if character.isdecimal() else " " for character in rest).split(" ")[0]
    return int(major) if major.isdecimal() else 0, int(digits or 0)


def compile_profile(profile: Profile) -> bytes:
    """The program as an array of struct sock_filter. System calls that libseccomp does not know are left out.

    Raises Unavailable without libseccomp, InvalidParameter for what it refuses.
    """
    try:
        # Heavy, and only needed when the cache has nothing.
        import pyseccomp
    except (ImportError, RuntimeError) as error:
        raise Unavailable(f"seccomp filters need libseccomp ({error}); install it or use seccomp=unconfined") from None
    try:
        compiled = pyseccomp.SyscallFilter(profile.default_action)
        # 2: a binary tree over the numbers instead of a list, some 9 comparisons instead of hundreds.
        compiled.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, 2)
        architectures = {}
        for name in profile.architectures:
            constant = getattr(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_"), None)
            if constant is None:
                raise _bad(f"unknown architecture {name}")
            architectures[name] = constant
            if constant != pyseccomp.system_arch() & 0xFFFFFFFF:
                compiled.add_arch(constant)
        for rule in profile.rules:
            arguments = [pyseccomp.Arg(c.index, c.operator, c.value, c.value_two) for c in rule.comparisons]
            for name in rule.names if rule.action != profile.default_action else ():
                number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
                if number != -1:
                    compiled.add_rule(rule.action, number, *arguments)
        with os.fdopen(os.memfd_create("seccomp", os.MFD_CLOEXEC), "rb") as file:
            compiled.export_bpf(file)
            file.seek(0)
            code = file.read()
    except OSError as error:
        raise _bad(f"libseccomp: {error.strerror}") from None
    if profile.default_action in _ALLOWING:
        return code
    names = {name for rule in profile.rules for name in rule.names}
    newest = {
        constant: max((pyseccomp.resolve_syscall(constant, name) for name in names), default=-1)
        for constant in architectures.values()
    }
    return unknown_is_enosys(newest) + code


def unknown_is_enosys(newest: Mapping[int, int]) -> bytes:
    """Instructions to go before a program: a call newer than all that the profile names is answered with ENOSYS.

    ``newest`` maps an AUDIT_ARCH_ value to the highest number. A library that probes for a new call then falls back
    to the old one; EPERM it would take for a verdict. Other calls and architectures pass on to the program.
    """
    load, equal, greater, jump, give = 0x20, 0x15, 0x25, 0x05, 0x06
    blocks = [(architecture, number) for architecture, number in newest.items() if number >= 0]
    code = [(load, 0, 0, 4)]
    for position, (architecture, number) in enumerate(blocks):
        rest = 5 * (len(blocks) - position - 1)
        code += [
            (equal, 0, 4, architecture),
            (load, 0, 0, 0),
            (greater, 0, 1, number),
            (give, 0, 0, _ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS),
            (jump, 0, 0, rest),
        ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code) if blocks else b""
