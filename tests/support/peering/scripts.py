"""Scripted sessions of a command on two engines: what each line ends with and prints is compared.

A file has a command a line, or several where it has a here-document that ends with ``E``. A line ``# differs: REASON`` says why
the next command's output is another one here; its exit code is compared all the same, unless it says ``# ends otherwise: REASON``.
``# pycompose differs: REASON`` counts where the command itself is another one as well.
"""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PATIENCE = 120
_PLAIN = [
    (re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]"), ""),
    (re.compile(r"[^\s\"':]+(?=/volumes/[^/\s]+/_data)"), "<state>"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+ ?(Z|[+-]\d\d:?\d\d)?( UTC)?"), "<time>"),
    (re.compile(r"(Less than |About )?\b(an?|\d+) (second|minute|hour)s?( ago)?"), "<while>"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
    (re.compile(r"\b1(72\.\d+|92\.168|0\.(2\d\d|\d\d?))\.\d+\.\d+"), "<address>"),
    (re.compile(r"(?<=<address>/)(16|20)\b"), "<size>"),
    (re.compile(r"(, )?\[::\]:\S+->\S+"), ""),  # the other one is in a namespace without IPv6
    (re.compile(r"(?<=:)[345]\d{4}\b"), "<port>"),
    (re.compile(r"[ \t]+"), " "),
]


@dataclass(frozen=True, slots=True)
class Line:
    command: str
    differs: str = ""
    ends_otherwise: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    error: str


def parse(text: str, *, own: bool = False) -> Iterator[Line]:
    """The lines of a session; ``own``: here it is run by another command, so that its reasons count too."""
    differs = otherwise = ""
    lines = iter(text.splitlines())
    for line in lines:
        if line.endswith("<<'E'"):
            line = "\n".join([line, *takewhile(lambda one: one != "E", lines), "E"])
        if own:
            line = line.replace("# pycompose ", "# ", 1)
        if line.startswith("# differs: "):
            differs = line.removeprefix("# differs: ")
        elif line.startswith("# ends otherwise: "):
            otherwise = line.removeprefix("# ends otherwise: ")
        elif line and not line.startswith("#"):
            yield Line(line, differs, otherwise)
            differs = otherwise = ""


def run(command: str, directory: Path, environment: Mapping[str, str]) -> Ended:
    """Run a line of shell; what it prints without what no two engines have in common."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", timeout=_PATIENCE, check=False,
    )  # fmt: skip
    return Ended(
        done.returncode, *(plain(text.replace(str(directory), "<here>")) for text in (done.stdout, done.stderr))
    )


def plain(text: str) -> str:
    for pattern, word in _PLAIN:
        text = pattern.sub(word, text)
    return text


def difference(line: Line, ours: Ended, theirs: Ended) -> str:
    """What differs and has no reason; words of errors are each engine's own, but where one complains so does the other."""
    said = f"$ {line.command}\n  here: {ours}\n  docker: {theirs}"
    if ours.code != theirs.code and not line.ends_otherwise:
        return said
    if ours.out != theirs.out and not line.differs and not line.ends_otherwise:
        return said
    return said if bool(ours.error) != bool(theirs.error) and not (line.differs or line.ends_otherwise) else ""


def both(line: str, sides: list[tuple[Path, Mapping[str, str]]]) -> tuple[Ended, Ended]:
    """The same line on both sides at once."""
    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(lambda side: run(line, *side), sides)
    return ours, theirs
