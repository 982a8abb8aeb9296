"""Who a container's process runs as: "name|uid[:group|gid]" looked up in the container's own passwd and group files.

Pure functions over the *contents* of the files; reading them safely below a container root is the caller's work
(read at most MAX_FILE bytes: the files are hostile). Nothing here asks the host's user database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FILE = 4 << 20
"""No passwd or group file larger than this many bytes is worth reading."""
MAX_ID = (1 << 31) - 1


class UserError(ValueError):
    """The user or group asked for does not exist in the image; ``str(error)`` is the message for the user."""


class Identity(NamedTuple):
    """A resolved user. ``groups`` is the whole list for setgroups(2) and begins with ``gid``."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    name: str
    """The name in the passwd file, or "" when a bare number has no entry there."""


def resolve(spec: str, passwd: bytes, group: bytes, additional: Sequence[str] = ()) -> Identity:
    """The identity for ``spec`` ("", "name", "uid", each with an optional ":group" or ":gid").

    A number is always taken as an id, even when a name of the same spelling exists, and needs no entry in the file.
    Groups the user is listed in are added only when ``spec`` names no group. ``additional`` are names or numbers
    (``group_add``). Raises UserError.
    """
    user_part, _, group_part = spec.partition(":")
    uid, gid, home, name = _user(user_part, passwd)
    groups: list[int] = []
    if group_part:
        gid = _group(group_part, group, f"unable to find group {group_part}: no matching entries in group file")
    elif name:
        groups.extend(number for _, number, members in _group_entries(group) if name in members)
    groups.extend(
        _group(wanted, group, f"Unable to find group {wanted}: no matching entries in group file")
        for wanted in additional
    )
    # The primary group leads the list: without it a file that excludes its group (mode 0604) would become readable.
    return Identity(uid, gid, tuple(dict.fromkeys([gid, *groups])), home, name)


def _user(wanted: str, passwd: bytes) -> tuple[int, int, str, str]:
    number = _number(wanted) if wanted else 0
    for name, uid, gid, home in _passwd_entries(passwd):
        if uid == number if number is not None else name == wanted:
            return uid, gid, home or "/", name
    if number is None:
        raise UserError(f"unable to find user {wanted}: no matching entries in passwd file")
    return _in_range(number), 0, "/", ""


def _group(wanted: str, group: bytes, missing: str) -> int:
    number = _number(wanted)
    if number is not None:
        return _in_range(number)
    for name, gid, _ in _group_entries(group):
        if name == wanted:
            return gid
    raise UserError(missing)


def _passwd_entries(content: bytes) -> Iterator[tuple[str, int, int, str]]:
    for fields in _lines(content, 4):
        uid, gid = _number(fields[2]), _number(fields[3])
        # A line with a damaged number is no entry: reading it as 0 would hand out root.
        if uid is not None and gid is not None and 0 <= uid <= MAX_ID and 0 <= gid <= MAX_ID:
            yield fields[0], uid, gid, fields[5] if len(fields) > 5 else ""


def _group_entries(content: bytes) -> Iterator[tuple[str, int, frozenset[str]]]:
    for fields in _lines(content, 3):
        gid = _number(fields[2])
        if gid is not None and 0 <= gid <= MAX_ID:
            members = fields[3] if len(fields) > 3 else ""
            yield fields[0], gid, frozenset(filter(None, (member.strip() for member in members.split(","))))


def _lines(content: bytes, least: int) -> Iterator[list[str]]:
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= least and fields[0] and fields[0][0] not in "#+-":
            yield fields


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    # Longer than any id: out of range, and int() need not be fed kilobytes of digits.
    return int(text) if len(digits) <= 20 else MAX_ID + 1


def _in_range(number: int) -> int:
    if 0 <= number <= MAX_ID:
        return number
    raise UserError(f"uids and gids must be in range 0-{MAX_ID}")
