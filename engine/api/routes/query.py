"""Queries of build requests: parameters that hold JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...containers.spec import validate
from ...errors import InvalidParameter
from ...shapes import decode

if TYPE_CHECKING:
    from ..http import Request


def _json(request: Request, name: str) -> Any:
    text = request.text(name)
    if not text:
        return None
    try:
        return decode(text)
    except ValueError:
        raise InvalidParameter(f"invalid JSON in {name}") from None


def json_map(request: Request, name: str) -> dict[str, Any]:
    value = _json(request, name) or {}
    if not isinstance(value, dict):
        raise InvalidParameter(f"{name}: want a JSON object")
    return value


def json_list(request: Request, name: str) -> list[Any]:
    value = _json(request, name) or []
    if not isinstance(value, list):
        raise InvalidParameter(f"{name}: want a JSON list")
    return value


def ulimits(request: Request) -> dict[str, tuple[int, int]]:
    """(soft, hard) by name."""
    found = {}
    for entry in json_list(request, "ulimits"):
        if not isinstance(entry, dict) or entry.get("Name") not in validate.ULIMITS:
            raise InvalidParameter("ulimits: want a list of {Name, Soft, Hard}")
        found[entry["Name"]] = (entry.get("Soft", 0), entry.get("Hard", 0))
    return found
