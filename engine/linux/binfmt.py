"""Whether the kernel runs programs of another architecture: what is registered with binfmt_misc (Documentation/admin-guide/
binfmt-misc.rst). Reads only."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path("/proc/sys/fs/binfmt_misc")
_FILESYSTEMS = Path("/proc/filesystems")

# ELF: (class, byte order, e_machine) by architecture in GOARCH words.
_ELF = {
    "386": (1, 1, 3),
    "amd64": (2, 1, 62),
    "arm": (1, 1, 40),
    "arm64": (2, 1, 183),
    "loong64": (2, 1, 258),
    "mips": (1, 2, 8),
    "mipsle": (1, 1, 8),
    "mips64": (2, 2, 8),
    "mips64le": (2, 1, 8),
    "ppc64": (2, 2, 21),
    "ppc64le": (2, 1, 21),
    "riscv64": (2, 1, 243),
    "s390x": (2, 2, 22),
}
_ALSO = {"amd64": ("386",), "arm64": ("arm",)}


@dataclass(frozen=True, slots=True)
class Format:
    """One registration: bytes at ``offset``, masked, and whether its interpreter was opened when it was registered (flag F), so
    that it also runs where its file is not."""

    offset: int
    magic: bytes
    mask: bytes
    fixed: bool

    def takes(self, header: bytes) -> bool:
        part = header[self.offset : self.offset + len(self.magic)].ljust(len(self.magic), b"\0")
        mask = self.mask or b"\xff" * len(self.magic)
        return all((have & bits) == (want & bits) for have, want, bits in zip(part, self.magic, mask, strict=True))


def header(architecture: str) -> bytes:
    """How a program of an architecture begins; b"" for one that is not known."""
    if architecture not in _ELF:
        return b""
    bits, order, machine = _ELF[architecture]
    packed = struct.pack("<HH" if order == 1 else ">HH", 2, machine)
    return b"\x7fELF" + bytes((bits, order, 1)) + bytes(9) + packed


def parse(text: str) -> Format | None:
    """A registration as the kernel shows it; None for one that is disabled or goes by file names."""
    lines = text.splitlines()
    fields = dict(line.partition(" ")[::2] for line in lines)
    if not lines or lines[0] != "enabled" or "magic" not in fields:
        return None
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags:")), "")
    try:
        offset = int(fields.get("offset", "0"))
        return Format(offset, bytes.fromhex(fields["magic"]), bytes.fromhex(fields.get("mask", "")), "F" in flags)
    except ValueError:
        return None


def runs(architecture: str, own: str, directory: Path = DIRECTORY, filesystems: Path = _FILESYSTEMS) -> bool | None:
    """Whether programs of an architecture run on a machine of ``own``; None when that cannot be told, because binfmt_misc is not
    mounted here."""
    if architecture == own or architecture in _ALSO.get(own, ()):
        return True
    begin = header(architecture)
    if not begin:
        return None
    try:
        names = os.listdir(directory)
    except OSError:
        names = []
    if "status" not in names:
        return None if "binfmt_misc" in _text(filesystems) else False
    if _text(directory / "status").strip() != "enabled":
        return False
    known = [parse(_text(directory / name)) for name in names if name not in ("status", "register")]
    return any(one.fixed and one.takes(begin) for one in known if one is not None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
