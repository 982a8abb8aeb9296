"""Values of flags that `build` and `image build` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import FlagError

if TYPE_CHECKING:
    from collections.abc import Sequence


def build_arguments(items: Sequence[str]) -> dict[str, str | None]:
    """``KEY=VALUE`` items of ``--build-arg``; a bare key takes the value that the environment has for it."""
    pairs = (item.partition("=") for item in items)
    return {name: value if equals else None for name, equals, value in pairs}


def byte_size(text: str, flag: str) -> int:
    """A size in bytes. Raises `FlagError`."""
    from ....grammar import sizes

    try:
        return sizes.parse(text)
    except ValueError as error:
        raise FlagError(f"{flag}: {error}") from None
