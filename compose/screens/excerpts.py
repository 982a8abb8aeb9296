"""The lines of Compose files that a plan names, shown under what it says of them. What sounds secret stays hidden."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..load.explain import MASK, mask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .commands import Target

FILE_LIMIT = 1024 * 1024
"""Bytes of a file that are looked at."""

WIDTH = 160
"""Characters of a line that are shown."""

_PLACE = re.compile(r"\((?P<file>/[^()\n]*\.ya?ml):(?P<line>[0-9]{1,7}):[0-9]+\)")
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)['\"]?(?:=|\s*:\s+)(?P<value>\S)")
_IN_FLOW = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^,}\]]*")


class Excerpts:
    """Reads only files of the target, or YAML files in its directory (those that it includes)."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lines: dict[str, list[str]] = {}

    def under(self, said: str) -> str:
        """What to show under one line of a plan, "" for nothing: a line that hides a value is given no excerpt."""
        found = _PLACE.search(said)
        if found is None or MASK in said:
            return ""
        lines, number = self._of(found["file"]), int(found["line"])
        if not 1 <= number <= len(lines):
            return ""
        indent = " " * (len(said) - len(said.lstrip()) + 4)
        return f"{indent}{number} | {hidden(lines[number - 1].strip())[:WIDTH]}\n"

    def _of(self, name: str) -> list[str]:
        if name not in self._lines:
            self._lines[name] = self._read(name) if self._may_read(name) else []
        return self._lines[name]

    def _may_read(self, name: str) -> bool:
        directory = self._target.directory
        return name in self._target.files or bool(
            directory and Path(name).resolve().is_relative_to(Path(directory).resolve())
        )

    def _read(self, name: str) -> list[str]:
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                return file.read(FILE_LIMIT).splitlines()
        except OSError:
            return []


def hidden(line: str) -> str:
    """A line of YAML with everything masked whose name says it is secret, and the content of configs and secrets."""
    at, parts = 0, []
    for found in _NAMED.finditer(line):
        if found.start() < at or not _is_secret(found["name"]):
            continue
        begin = found.start("value")
        flow = _IN_FLOW.match(line, begin) if set("{[") & set(line[:begin]) else None
        parts += [line[at:begin], MASK]
        at = flow.end() if flow else len(line)
    return "".join([*parts, line[at:]])


def _is_secret(name: str) -> bool:
    return name == "content" or mask(("services", "", "environment", name), "value") != "value"


async def annotated(blocks: AsyncIterator[bytes], target: Target) -> AsyncIterator[bytes]:
    """A plan as it comes, line by line, each with its excerpt."""
    excerpts, rest = Excerpts(target), b""
    async for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield b"".join(line + b"\n" + excerpts.under(line.decode("utf-8", "replace")).encode() for line in lines)
    yield rest
