"""``--name=value`` flags of instructions, checked against what an instruction knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .arguments import ArgumentError
from .errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "bool", "list"]


class Flags:
    """Values of the flags given; a flag that was not given has its kind's empty value."""

    def __init__(self, known: Mapping[str, Kind]) -> None:
        self._known = known
        self._values: dict[str, str | bool | list[str]] = {}

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, default)
        assert isinstance(value, str)
        return value

    def flag(self, name: str) -> bool:
        return self._values.get(name) is True

    def optional(self, name: str) -> bool | None:
        """A boolean flag, or None when it was not given."""
        value = self._values.get(name)
        assert value is None or isinstance(value, bool)
        return value

    def items(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name, [])
        assert isinstance(value, list)
        return tuple(value)

    @staticmethod
    def parse(words: tuple[str, ...], known: Mapping[str, Kind]) -> Flags:
        """Raises ArgumentError in BuildKit's words: unknown, duplicate or missing values."""
        flags = Flags(known)
        for word in words:
            option, equals, value = word.partition("=")
            name = option[2:]
            kind = known.get(name)
            if kind is None:
                raise ArgumentError(f"unknown flag: {option}{did_you_mean(name, known)}")
            if name in flags._values and kind != "list":
                raise ArgumentError(f"duplicate flag specified: {option}")
            if (not equals and kind != "bool") or (equals and not value and kind == "bool"):
                raise ArgumentError(f"missing a value on flag: {option}")
            if kind == "bool":
                if value.lower() not in ("", "true", "false"):
                    raise ArgumentError(f"expecting boolean value for flag {option}, not: {value}")
                flags._values[name] = value.lower() != "false"
            elif kind == "text":
                flags._values[name] = value
            else:
                flags._values[name] = [*flags.items(name), value]
        return flags
