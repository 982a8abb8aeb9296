"""Scalars as the Dockerfile and its mount options write them: CSV fields and chmod modes."""

from __future__ import annotations

import re
from dataclasses import dataclass


def csv_fields(text: str) -> list[str]:
    """Fields of one comma-separated line; a field may stand in double quotes, with ``""`` for one; raises ValueError."""
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not text:
        raise ValueError("EOF")
    fields: list[str] = []
    at = 0
    while True:
        if text[at : at + 1] == '"':
            field: list[str] = []
            at += 1
            while True:
                end = text.find('"', at)
                if end < 0:
                    raise ValueError(f'parse error on line 1, column {at + 1}: extraneous or missing " in quoted-field')
                field.append(text[at:end])
                at = end + 1
                if text[at : at + 1] != '"':
                    break
                field.append('"')
                at += 1
            fields.append("".join(field))
            if at < len(text) and text[at] != ",":
                raise ValueError(f'parse error on line 1, column {at}: extraneous or missing " in quoted-field')
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            plain = text[at:end]
            if '"' in plain:
                raise ValueError(
                    f'parse error on line 1, column {at + plain.index(chr(34)) + 1}: bare " in non-quoted-field'
                )
            fields.append(plain)
            at = end
        if at >= len(text):
            return fields
        at += 1


@dataclass(frozen=True, slots=True)
class _Clause:
    who: str
    operations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Chmod:
    """A mode to apply: absolute (``bits``), or symbolic clauses in chmod(1)'s language."""

    bits: int | None
    clauses: tuple[_Clause, ...] = ()

    def apply(self, mode: int, *, directory: bool) -> int:
        """The permission bits (07777) a file with these ``mode`` bits gets."""
        if self.bits is not None:
            return self.bits
        before = mode & 0o7777
        now = before
        for clause in self.clauses:
            who = clause.who or "a"
            everyone = "a" in who
            classes = [name for name in "ugo" if everyone or name in who]
            mask = sum(0o7 << _SHIFT[name] for name in classes)
            for operator, letters in clause.operations:
                bits = _bits(letters, classes, everyone, before, now, directory) & (mask | 0o7000)
                if operator == "+":
                    now |= bits
                elif operator == "-":
                    now &= ~bits
                else:
                    special = (0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0)
                    now = now & ~(mask | special | (0o1000 if "t" in letters else 0)) | bits
        return now


_SHIFT = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)\Z")
_OPERATION = re.compile(r"([-+=])([rwxXstugo]*)")


def _bits(letters: str, classes: list[str], everyone: bool, before: int, now: int, directory: bool) -> int:
    bits = 0
    for letter in letters:
        if letter in _SHIFT:
            copied = now >> _SHIFT[letter] & 0o7
        elif letter == "X":
            copied = 0o1 if directory or before & 0o111 else 0
        else:
            copied = {"r": 0o4, "w": 0o2, "x": 0o1}.get(letter, 0)
        for name in classes:
            bits |= copied << _SHIFT[name]
        if letter == "s":
            bits |= (0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0)
        if letter == "t" and (everyone or classes != ["o"]):
            bits |= 0o1000
    return bits


def chmod(text: str) -> Chmod:
    """``755``, ``0644``, ``u+x``, ``go=``, ``a=rX,u+w``; raises ValueError."""
    if re.match(r"\d", text, re.ASCII):
        if not re.fullmatch(r"[0-7]{1,11}", text) or int(text, 8) > 0o7777:
            message = f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            raise ValueError(message)
        return Chmod(int(text, 8))
    clauses = []
    for part in text.split(","):
        match = _CLAUSE.match(part)
        if match is None:
            raise ValueError(f"invalid chmod parameter: '{text}': invalid syntax")
        clauses.append(_Clause(match.group(1), tuple(_OPERATION.findall(match.group(2)))))
    return Chmod(None, tuple(clauses))
