"""A project as JSON: byte for byte what ``docker compose config --format json`` writes. yamldump.py has the YAML form.

Only shapes of text are decided here: key order and omissions are those of the bound tree.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING

from ..model.values import Quantity
from .decode import Float32
from .scalars import Timestamp, format_float

if TYPE_CHECKING:
    from ..model import Project
    from ..model.resources import FileObject
    from ..model.service import Service

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPE = re.compile("[<>&\u2028\u2029]")


def sections(project: Project) -> dict[str, object]:
    """The top level of a project in the order of its JSON form; content that came from elsewhere is left out."""
    top = named(project)
    top.update({key: _no_empty_lists(value) for key, value in project.extensions.items()})
    return {key: top[key] for key in sorted(top)}


def named(project: Project) -> dict[str, object]:
    """The name and the sections that are not empty, in the order of the YAML form."""
    top: dict[str, object] = {
        "name": project.name,
        "services": project.services,
        "networks": project.networks,
        "volumes": project.volumes,
        "secrets": {name: _without_content(one) for name, one in project.secrets.items()},
        "configs": {
            name: _without_content(one) if one.get("environment") else one for name, one in project.configs.items()
        },
        "models": project.models,
        "jobs": project.jobs,
    }
    return {key: value for key, value in top.items() if value or key == "services"}


def _without_content(resource: FileObject) -> FileObject:
    """``content`` that came from elsewhere is nobody's to see."""
    shown = copy.copy(resource)
    shown.pop("content", None)
    return shown


def _no_empty_lists(value: object) -> object:
    """Docker Compose shows an empty list in an extension as null."""
    if isinstance(value, dict):
        return {key: _no_empty_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_no_empty_lists(item) for item in value] or None
    return value


def to_json(project: Project) -> str:
    """``config --format json``, without a newline at the end."""
    return escape_dollars(json_text(sections(project)))


def escape_dollars(text: str) -> str:
    """So that the output can be loaded again."""
    return text.replace("$", "$$")


def service_hash(service: Service) -> str:
    """What ``config --hash`` prints: a digest of the service without what does not change its containers."""
    kept = {key: value for key, value in service.items() if key not in ("build", "pull_policy", "scale")}
    if "deploy" in service:
        kept["deploy"] = {key: value for key, value in service["deploy"].items() if key != "replicas"}
    return hashlib.sha256(_compact(kept).encode()).hexdigest()


def _compact(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json_string(key)}:{_compact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return json_scalar(value)


def model_json(model: object) -> str:
    """``config --no-interpolate --format json``."""
    return json_text(_sorted(_no_empty_lists(model)))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def json_text(value: object) -> str:
    """JSON with an indent of two and the escapes of Go's encoder."""
    out: list[str] = []
    _json(value, "\n", out)
    return "".join(out)


def _json(value: object, newline: str, out: list[str]) -> None:
    if isinstance(value, (dict, list)):
        brackets = "{}" if isinstance(value, dict) else "[]"
        if not value:
            out.append(brackets)
            return
        inner = newline + "  "
        separator = brackets[0] + inner
        if isinstance(value, dict):
            for key, item in value.items():
                out.append(f"{separator}{_json_string(key)}: ")
                _json(item, inner, out)
                separator = "," + inner
        else:
            for item in value:
                out.append(separator)
                _json(item, inner, out)
                separator = "," + inner
        out.append(newline + brackets[1])
    else:
        out.append(json_scalar(value))


def json_scalar(value: object) -> str:
    if isinstance(value, str):
        return _json_string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _json_number(value)
    if isinstance(value, Quantity):
        return _json_string(str(value))
    return _json_string(value.rfc3339()) if isinstance(value, Timestamp) else str(value)


def _json_number(value: float) -> str:
    bits = 32 if isinstance(value, Float32) else 64
    size = abs(value)
    text = format_float(value, 21, bits)
    if "e-" in text and size >= 1e-6:
        mantissa, _, exponent = text.lstrip("-").partition("e-")
        zeros = "0" * (int(exponent) - 1)
        text = ("-" if value < 0 else "") + "0." + zeros + mantissa.replace(".", "")
    return re.sub(r"e-0(\d)$", r"e-\1", text)


def _json_string(text: str) -> str:
    encoded = json.dumps(text, ensure_ascii=False)
    if _ESCAPE.search(encoded):
        encoded = _ESCAPE.sub(lambda found: _ESCAPED[found.group()], encoded)
    return encoded
