"""dpkg's database for packages that were unpacked without dpkg: status, file lists, scripts, triggers.

With it ``dpkg --configure -a`` does the rest, so no package is unpacked twice. Formats: dpkg's own doc/triggers.txt,
deb-triggers(5), and lib/dpkg's info database format 1.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from .packages import fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NOT_INFO = ("control",)


class Database:
    """Collects packages, then writes var/lib/dpkg below ``tree``."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._dpkg = tree / "var/lib/dpkg"
        self._info = self._dpkg / "info"
        self._status: list[str] = []
        self._file_interests: list[str] = []
        self._named_interests: dict[str, list[str]] = {}
        self.preinst: list[tuple[str, str, str]] = []

    def prepare(self) -> None:
        for directory in ("info", "updates", "triggers", "alternatives", "parts"):
            (self._dpkg / directory).mkdir(parents=True, exist_ok=True)
        (self._info / "format").write_text("1\n")

    def add(self, control: Mapping[str, bytes], names: Sequence[bytes]) -> None:
        """Record one package: its control files and the names its data archive has (also the excluded ones)."""
        text = control["control"].decode("utf-8", "replace").strip()
        values = fields(text)
        name, architecture = values["Package"], values["Architecture"]
        base = f"{name}:{architecture}" if values.get("Multi-Arch") == "same" else name
        for file, content in control.items():
            if file in _NOT_INFO:
                continue
            path = self._info / f"{base}.{file}"
            path.write_bytes(content)
            path.chmod(0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644)
        paths = [b"/" + path if path else b"/." for path in map(_plain, names)]
        (self._info / f"{base}.list").write_bytes(b"".join(path + b"\n" for path in dict.fromkeys(paths)))
        status = text.replace(f"Package: {name}", f"Package: {name}\nStatus: install ok unpacked", 1)
        conffiles = self._conffiles(control.get("conffiles", b"").decode())
        self._status.append(status + conffiles + "\n")
        self._triggers(f"{name}:{architecture}" if values.get("Multi-Arch") == "same" else name, control)
        if "preinst" in control:
            self.preinst.append((name, architecture, base))

    def _conffiles(self, text: str) -> str:
        lines = []
        for line in text.splitlines():
            if not line.startswith("/"):
                continue  # "remove-on-upgrade" entries name files that are not there
            path = self._tree / line.lstrip("/")
            if path.is_file():
                digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
                lines.append(f"\n {line} {digest}")
        return "\nConffiles:" + "".join(lines) if lines else ""

    def _triggers(self, package: str, control: Mapping[str, bytes]) -> None:
        for line in control.get("triggers", b"").decode().splitlines():
            words = line.split("#")[0].split()
            if len(words) != 2 or not words[0].startswith("interest"):
                continue
            suffix = "/noawait" if words[0] == "interest-noawait" else ""
            if words[1].startswith("/"):
                self._file_interests.append(f"{words[1]} {package}{suffix}\n")
            else:
                self._named_interests.setdefault(words[1], []).append(f"{package}{suffix}\n")

    def write(self) -> None:
        (self._dpkg / "status").write_text("\n".join(self._status))
        for name in ("available", "diversions", "statoverride", "triggers/Unincorp"):
            (self._dpkg / name).touch()
        if self._file_interests:
            (self._dpkg / "triggers/File").write_text("".join(self._file_interests))
        for name, packages in self._named_interests.items():
            (self._dpkg / "triggers" / name).write_text("".join(packages))


def _plain(name: bytes) -> bytes:
    return os.path.normpath(b"/" + name).lstrip(b"/")
