"""What a plain YAML scalar means, and how a value is written back as text, by the rules of the YAML library that
Docker Compose uses (YAML 1.2 core schema, plus 1.1's octals and timestamps; ``yes``, ``on`` and ``y`` are strings).

It is not about Compose: which scalars a key accepts is the schema's business.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    Scalar: TypeAlias = "str | int | float | bool | Timestamp | None"

_CONSTANTS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".nan": math.nan,
    ".NaN": math.nan,
    ".NAN": math.nan,
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:([Tt])(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d))"
    r"|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?))?",
    re.ASCII,
)
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)", re.ASCII)


class Timestamp:
    """A plain scalar that YAML reads as a date or time; its text is what Go prints for such a value."""

    __slots__ = ("text", "value")

    def __init__(self, value: datetime, nanoseconds: int) -> None:
        self.value = value
        fraction = f".{nanoseconds:09d}".rstrip("0").rstrip(".") if nanoseconds else ""
        offset = value.strftime("%z")
        zone = "UTC" if offset == "+0000" else offset
        self.text = f"{value.year:04d}{value.strftime('-%m-%d %H:%M:%S')}{fraction} {offset} {zone}"

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def rfc3339(self) -> str:
        offset = self.value.strftime("%z")
        return self.value.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}")


def _timestamp(text: str) -> Timestamp | None:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, _, hour, minute, second, fraction, offset, hour2, minute2, second2, fraction2 = found.groups()
    zone = UTC
    if offset and offset != "Z":
        shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        zone = timezone(-shift if offset[0] == "-" else shift)
    try:
        value = datetime(
            int(year), int(month), int(day), int(hour or hour2 or 0), int(minute or minute2 or 0), int(second or second2 or 0),
            tzinfo=zone,
        )  # fmt: skip
    except ValueError:
        return None
    return Timestamp(value, int(((fraction or fraction2 or "") + "0" * 9)[:9]))


def resolve(text: str) -> Scalar:
    """The value of an untagged plain scalar."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    first = text[0]
    if first == ".":
        return float(text) if _FLOAT.fullmatch(text) else text
    if first not in "+-0123456789":
        return text
    if len(text) > 4 and text[4] == "-":
        stamp = _timestamp(text)
        if stamp is not None:
            return stamp
    plain = text.replace("_", "")
    if len(plain) < 100 and _INTEGER.fullmatch(plain):
        value = integer(plain)
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT.fullmatch(plain):
        value_f = float(plain)
        if not math.isinf(value_f):
            return value_f
    return text


def integer(text: str) -> int:
    """An integer literal with Go's prefixes, where a leading zero alone means octal."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    lower = digits.lower()
    if lower.startswith("0x"):
        return sign * int(digits[2:], 16)
    if lower.startswith("0b"):
        return sign * int(digits[2:], 2)
    if lower.startswith("0o"):
        return sign * int(digits[2:], 8)
    if len(digits) > 1 and digits[0] == "0":
        return sign * int(digits[1:], 8)
    return sign * int(digits)


def is_plain_string(text: str) -> bool:
    """Whether ``text`` written without quotes would be read back as that very string."""
    return isinstance(resolve(text), str) and text != "<<"


def format_float(value: float, exponent_from: int = 6, bits: int = 64) -> str:
    """The shortest decimal that reads back the same; an exponent when below 1e-4 or from ``10**exponent_from`` on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    text = shortest32(value) if bits == 32 else repr(value)
    mantissa, _, exponent_text = text.lower().partition("e")
    negative = mantissa.startswith("-")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len((whole + fraction).lstrip("0"))
    exponent = int(exponent_text or 0) + len(whole) - 1 - leading
    digits = digits.rstrip("0") or "0"
    if exponent < -4 or exponent >= exponent_from:
        body = (
            digits[0]
            + ("." + digits[1:] if len(digits) > 1 else "")
            + f"e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
        )
    elif exponent < 0:
        body = "0." + "0" * (-exponent - 1) + digits
    else:
        whole = digits[: exponent + 1].ljust(exponent + 1, "0")
        body = whole + ("." + digits[exponent + 1 :] if len(digits) > exponent + 1 else "")
    return ("-" if negative else "") + body


def shortest32(value: float) -> str:
    """The shortest decimal that rounds to the same single-precision number."""
    single = float32(value)
    for precision in range(1, 10):
        text = f"{single:.{precision}g}"
        if float32(float(text)) == single:
            return text
    return repr(single)


def float32(value: float) -> float:
    """``value`` rounded to single precision."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return rounded


def text(value: object) -> str:
    """A value as Docker Compose prints it into a string (Go's ``%v``)."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(text(item) for item in value) + "]"
    return str(value)
