"""A project as text: the JSON and YAML of ``config``, byte for byte what Docker Compose writes.

Only shapes of text are decided here: key order and omissions are those of the bound tree, except for what the YAML form
leaves out or shows differently.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .bind import Float32, plain
from .scalars import format_float

if TYPE_CHECKING:
    from ..model import Project

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x7f": "\x7f"}
_ESCAPE = re.compile("[<>&\u2028\u2029]")


def sections(project: Project) -> dict[str, Any]:
    """The top level of a project, in the order of its JSON form."""
    top: dict[str, Any] = {"name": project.name, "services": project.services}
    for key in ("networks", "volumes", "secrets", "configs", "models"):
        value = getattr(project, key)
        if value:
            top[key] = value
    top.update(project.extensions)
    return {key: top[key] for key in sorted(top)}


def to_json(project: Project) -> str:
    """``config --format json``."""
    top = sections(project)
    for key in ("secrets", "configs"):
        if key in top:
            top[key] = _without_content(top[key], key)
    return json_text(top).replace("$", "$$")


def _without_content(resources: Any, section: str) -> Any:
    """Content that came from elsewhere is not shown."""
    return {
        name: {
            key: item
            for key, item in value.items()
            if key != "content" or (section == "configs" and not value.get("environment"))
        }
        for name, value in resources.items()
    }


def json_text(value: Any) -> str:
    """JSON with an indent of two and the escapes of Go's encoder."""
    out: list[str] = []
    _json(value, "\n", out)
    return "".join(out)


def _json(value: Any, newline: str, out: list[str]) -> None:
    if isinstance(value, dict):
        if not value:
            out.append("{}")
            return
        inner = newline + "  "
        separator = "{" + inner
        for key, item in value.items():
            out.append(separator)
            out.append(_json_string(key))
            out.append(": ")
            _json(item, inner, out)
            separator = "," + inner
        out.append(newline + "}")
    elif isinstance(value, list):
        if not value:
            out.append("[]")
            return
        inner = newline + "  "
        separator = "[" + inner
        for item in value:
            out.append(separator)
            _json(item, inner, out)
            separator = "," + inner
        out.append(newline + "]")
    else:
        out.append(_json_scalar(value))


def _json_scalar(value: Any) -> str:
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, float):
        return json_number(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(plain(value)) if isinstance(value, int) else _json_string(str(plain(value)))


def json_number(value: float) -> str:
    """A number as Go's JSON encoder writes it."""
    bits = 32 if isinstance(value, Float32) else 64
    size = abs(value)
    if size != 0 and (size < 1e-6 or size >= 1e21):
        text = format_float(value, 0 if size >= 1 else -400, bits) if size >= 1e21 else format_float(value, 21, bits)
        return re.sub(r"e-0(\d)$", r"e-\1", text)
    text = format_float(value, 400, bits)
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        digits = mantissa.lstrip("-").replace(".", "")
        text = ("-" if value < 0 else "") + "0." + "0" * (-int(exponent) - 1) + digits
    return text


def _json_string(text: str) -> str:
    encoded = json.dumps(text, ensure_ascii=False)
    if _ESCAPE.search(encoded):
        encoded = _ESCAPE.sub(lambda found: _ESCAPED[found.group()], encoded)
    return encoded
