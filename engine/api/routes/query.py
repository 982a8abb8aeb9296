"""Queries of build requests: parameters that hold JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar.ulimits import NAMES
from ...errors import InvalidParameter
from ...shapes import decode, members

if TYPE_CHECKING:
    from ...shapes import Json
    from ..http import Request


def _json(request: Request, name: str) -> Json:
    text = request.text(name)
    if not text:
        return None
    try:
        return decode(text)
    except ValueError:
        raise InvalidParameter(f"invalid JSON in {name}") from None


def json_map(request: Request, name: str) -> dict[str, Json]:
    value = _json(request, name) or {}
    if not isinstance(value, dict):
        raise InvalidParameter(f"{name}: want a JSON object")
    return value


def json_list(request: Request, name: str) -> list[Json]:
    value = _json(request, name) or []
    if not isinstance(value, list):
        raise InvalidParameter(f"{name}: want a JSON list")
    return value


def words(request: Request, name: str) -> list[str]:
    """A JSON list of strings."""
    found = json_list(request, name)
    words = [one for one in found if isinstance(one, str)]
    if len(words) < len(found):
        raise InvalidParameter(f"{name}: want a list of strings")
    return words


def texts(request: Request, name: str) -> dict[str, str]:
    """A JSON object of strings; what is null is left out."""
    return {key: str(value) for key, value in json_map(request, name).items() if value is not None}


def ulimits(request: Request) -> dict[str, tuple[int, int]]:
    """(soft, hard) by name."""
    found = {}
    for entry in json_list(request, "ulimits"):
        name, soft, hard = (members(entry).get(member, 0) for member in ("Name", "Soft", "Hard"))
        if name not in NAMES or not isinstance(soft, int) or not isinstance(hard, int):
            raise InvalidParameter("ulimits: want a list of {Name, Soft, Hard}")
        found[str(name)] = (soft, hard)
    return found
