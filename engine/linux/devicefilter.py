"""Device rules on cgroup v2: a small BPF program per control group, asked by the kernel at each open and mknod.

The program is the OCI rule list backwards: the last rule that matches decides, no match denies. Not here: the devices
controller of v1, which takes the rules as text (cgroup_v1).
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING

from . import libc
from .libc import KernelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import oci

_BPF_PROG_LOAD = 5
_BPF_PROG_ATTACH = 8
_PROG_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6

_BLOCK, _CHARACTER = 1, 2
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL = 7

# Operation codes: class | size or operation | mode or source.
_LOAD_WORD = 0x61
_AND = 0x57
_SHIFT_RIGHT = 0x77
_SET = 0xB7
_COPY = 0xBF
_JUMP_UNLESS_VALUE = 0x55
_JUMP_UNLESS_REGISTER = 0x5D
_EXIT = 0x95

_RESULT, _CONTEXT, _TYPE, _WANTED, _MAJOR, _MINOR = range(6)


class _Load(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
    )


class _Attach(ctypes.Structure):
    _fields_ = (
        ("target_fd", ctypes.c_uint32),
        ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
    )


def allows_everything(rules: Sequence[oci.DeviceRule]) -> bool:
    """Whether the last word on every device is yes (a privileged container)."""
    return not rules or (bool(rules[-1].get("allow")) and not _conditions(rules[-1]))


def compile_rules(rules: Sequence[oci.DeviceRule]) -> bytes:
    """The program for OCI ``linux.resources.devices``. Raises ValueError for an unknown device type or access."""
    code = [
        _instruction(_LOAD_WORD, _TYPE, _CONTEXT, 0),
        _instruction(_COPY, _WANTED, _TYPE),
        _instruction(_AND, _TYPE, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, _WANTED, value=16),
        _instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for rule in reversed(rules):
        conditions = _conditions(rule)
        verdict = [_instruction(_SET, _RESULT, value=int(bool(rule.get("allow")))), _instruction(_EXIT)]
        length = sum(len(condition) for condition in conditions) + len(verdict)
        passed = 0
        for condition in conditions:
            passed += len(condition)
            # The last instruction of a condition jumps over all that is left of the rule.
            operation, first, second, value = condition[-1]
            code += [_instruction(*part[:3], value=part[3]) for part in condition[:-1]]
            code.append(_instruction(operation, first, second, length - passed, value))
        code += verdict
        if not conditions:
            # Nothing gets past this one, and the kernel refuses code that cannot be reached.
            return b"".join(code)
    code += [_instruction(_SET, _RESULT, value=0), _instruction(_EXIT)]
    return b"".join(code)


def attach(directory: str, rules: Sequence[oci.DeviceRule]) -> None:
    """Enforce ``rules`` in the control group at ``directory``, replacing those of an earlier call.

    Raises KernelError where the kernel has no such programs or does not let us.
    """
    filter_fd = _load(compile_rules(rules))
    group = -1
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        request = _Attach(group, filter_fd, _ATTACH_CGROUP_DEVICE, 0)
        _bpf(_BPF_PROG_ATTACH, request, "BPF_PROG_ATTACH", directory)
    finally:
        os.close(filter_fd)
        if group >= 0:
            os.close(group)


def is_supported() -> bool:
    """Whether this kernel takes such programs from us."""
    try:
        os.close(_load(compile_rules(())))
    except KernelError:
        return False
    return True


def _load(code: bytes) -> int:
    program = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    request = _Load(
        prog_type=_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt=len(code) // 8,
        insns=ctypes.addressof(program),
        license=ctypes.addressof(licence),
    )
    return _bpf(_BPF_PROG_LOAD, request, "BPF_PROG_LOAD", "device rules")


def _bpf(command: int, attributes: ctypes.Structure, name: str, target: str) -> int:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    return libc.call(libc.SYS_BPF, name, target, command, ctypes.byref(attributes), size)


_Part = tuple[int, int, int, int]


def _conditions(rule: oci.DeviceRule) -> list[list[_Part]]:
    """What must hold for the rule to match: (operation, register, register, value) each, ending in a jump."""
    found: list[list[_Part]] = []
    kind = rule.get("type") or "a"
    if kind not in ("a", "b", "c", "u"):
        raise ValueError(f"unknown device type {kind!r}")
    if kind != "a":
        found.append([(_JUMP_UNLESS_VALUE, _TYPE, 0, _BLOCK if kind == "b" else _CHARACTER)])
    access = 0
    for letter in rule.get("access") or "rwm":
        if letter not in _ACCESS:
            raise ValueError(f"unknown device access {letter!r}")
        access |= _ACCESS[letter]
    if access != _ALL:
        # All that is wanted must be in the rule; the context register is free once everything is loaded.
        found.append(
            [(_COPY, _CONTEXT, _WANTED, 0), (_AND, _CONTEXT, 0, access), (_JUMP_UNLESS_REGISTER, _CONTEXT, _WANTED, 0)]
        )
    for register, number in ((_MAJOR, rule.get("major")), (_MINOR, rule.get("minor"))):
        if kind != "a" and number is not None and number >= 0:
            found.append([(_JUMP_UNLESS_VALUE, register, 0, number)])
    return found


def _instruction(operation: int, first: int = 0, second: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", operation, second << 4 | first, offset, value)
