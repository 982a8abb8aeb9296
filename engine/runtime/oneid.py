"""Root alone in a container, who may give nothing to anybody: calls that would change owners and users succeed without effect.

With one mapped id every chown and setuid to somebody else fails, though there is nobody to be kept out: package managers
and servers that drop their rights would end there. Owners and device nodes are passed over in the kernel; who a program wants
to be, and asks whether it is, the shim answers (supervisor.py).

A container whose user is another one from the beginning needs none of this: its processes are in a user namespace below, in which
the one id has that user's number. All files of the container belong to that user there.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from ..linux import userns

if TYPE_CHECKING:
    from .users import Identity

_LOAD, _JUMP_EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ALLOW, _PRETEND, _ASK = 0x7FFF0000, 0x00050000, 0x7FC00000
_PR_SET_KEEPCAPS = 8
_FORMAT, _CHARACTER, _BLOCK = 0o170000, 0o020000, 0o060000


class _Machine(NamedTuple):
    audit: int
    owners: tuple[int, ...]
    """chown and its like, setfsuid and setfsgid."""
    ids: dict[str, int]
    nodes: tuple[tuple[int, int], ...]
    """mknod and its like, each with the number of the argument that is the mode."""
    prctl: int


_IDS = (
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"),
    *("getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups"),
)
_X86_64 = (105, 106, 113, 114, 117, 119, 116, 102, 107, 104, 108, 118, 120, 115)
_AARCH64 = (146, 144, 145, 143, 147, 149, 159, 174, 175, 176, 177, 148, 150, 158)
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, (92, 93, 94, 260, 122, 123), dict(zip(_IDS, _X86_64, strict=True)), ((133, 1), (259, 2)), 157
    ),
    "aarch64": _Machine(0xC00000B7, (55, 54, 151, 152), dict(zip(_IDS, _AARCH64, strict=True)), ((33, 2),), 167),
}


def is_another(identity: Identity) -> bool:
    """Whether this is not root."""
    return bool(identity.uid or identity.gid)


def become(identity: Identity, descriptors: int) -> None:
    """Be the user in a namespace of one's own, for the only id there is. ``descriptors`` is our ``fd`` in the host's /proc. Other
    groups than the first have no id, and need none: no file belongs to them. Raises OSError."""
    userns.unshare()
    userns.map_one_id(
        descriptors, userns.Range(identity.uid, 0, 1), userns.Range(identity.gid, 0, 1), prefix=os.pardir + "/"
    )


def program(machine: str | None = None) -> bytes:
    """The filter as BPF; empty for a machine whose calls are not known here."""
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return b""
    steps = [_step(_LOAD, _ARCHITECTURE), _jump(known.audit, 1, 0), _step(_RETURN, _ALLOW), _step(_LOAD, _NUMBER)]
    for number, argument in known.nodes:
        # Devices only: FIFOs and sockets are made, and so are whiteouts where the kernel lets us.
        steps += [
            _jump(number, 0, 6),
            _step(_LOAD, 16 + 8 * argument),
            _step(_AND, _FORMAT),
            _jump(_CHARACTER, 2, 0),
            _jump(_BLOCK, 1, 0),
            _step(_RETURN, _ALLOW),
            _step(_RETURN, _PRETEND),
        ]
    for number in known.owners:
        steps += [_jump(number, 0, 1), _step(_RETURN, _PRETEND)]
    # One of its many options: rights that are to be kept when root becomes somebody else (setpriv).
    keep = [_step(_LOAD, 16), _jump(_PR_SET_KEEPCAPS, 0, 1), _step(_RETURN, _ASK), _step(_RETURN, _ALLOW)]
    steps += [_jump(known.prctl, 0, len(keep)), *keep]
    for number in known.ids.values():
        steps += [_jump(number, 0, 1), _step(_RETURN, _ASK)]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def names(machine: str | None = None) -> dict[int, str]:
    """The calls that the shim answers, by their numbers."""
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return {}
    return {known.prctl: "prctl"} | {number: name for name, number in known.ids.items()}


def _step(code: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, 0, 0, value)


def _jump(value: int, equal: int, other: int) -> bytes:
    return struct.pack("<HBBI", _JUMP_EQUAL, equal, other, value)
