"""Volumes, mounts, tmpfs, devices and GPUs of `container run` and `create`, from docker's short and long notations."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from .....grammar import sizes
from ....shortforms import parse_volume

if TYPE_CHECKING:
    from collections.abc import Iterable

_BOOLEANS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_PERMISSIONS = re.compile(r"(?!.*(.).*\1)[rwm]{1,3}")
_CDI_NAME = re.compile(r"[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]+", re.ASCII)


def fields_of(text: str) -> list[str]:
    """Comma-separated fields, which may be quoted. Raises ValueError."""
    import csv

    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None


def binds(items: Iterable[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """``-v`` values as Binds, and the anonymous ones as Volumes."""
    result: list[str] = []
    anonymous: dict[str, dict[str, str]] = {}
    for text in items:
        parsed = parse_volume(text)
        if not parsed.get("source"):
            anonymous[text] = {}
            continue
        source, colon, rest = text.partition(":")
        if parsed["type"] == "bind" and source.startswith("."):
            source = os.path.abspath(source)
        result.append(f"{source}{colon}{rest}")
    return result, anonymous


def _boolean(key: str, value: str, given: bool) -> bool:
    if not given:
        return True
    if value.lower() not in _BOOLEANS:
        raise ValueError(f"invalid value for {key}: {value}")
    return _BOOLEANS[value.lower()]


def mount(text: str) -> dict[str, Any]:
    """``--mount type=bind,source=…,target=…,readonly`` as an API mount. Raises ValueError."""
    found: dict[str, Any] = {"Type": "volume"}
    bind: dict[str, Any] = {}
    options: dict[str, Any] = {}
    tmpfs: dict[str, Any] = {}
    for item in fields_of(text):
        key, equals, value = item.partition("=")
        key = key.lower()
        if not equals and key not in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive"):
            raise ValueError(f"invalid field '{item}' must be a key=value pair")
        match key:
            case "type":
                found["Type"] = value.lower()
            case "source" | "src":
                relative = value == "." or value.startswith(("./", "../"))
                found["Source"] = os.path.abspath(value) if relative else value
            case "target" | "dst" | "destination":
                found["Target"] = value
            case "readonly" | "ro":
                found["ReadOnly"] = _boolean(key, value, bool(equals))
            case "consistency":
                found["Consistency"] = value.lower()
            case "bind-propagation":
                bind["Propagation"] = value.lower()
            case "bind-nonrecursive":
                bind["NonRecursive"] = _boolean(key, value, bool(equals))
            case "bind-recursive":
                bind |= _recursion(value)
            case "volume-subpath":
                options["Subpath"] = value
            case "volume-nocopy":
                options["NoCopy"] = _boolean(key, value, bool(equals))
            case "volume-label":
                name, _, label = value.partition("=")
                options.setdefault("Labels", {})[name] = label
            case "volume-driver":
                options.setdefault("DriverConfig", {})["Name"] = value
            case "volume-opt":
                name, _, option = value.partition("=")
                options.setdefault("DriverConfig", {}).setdefault("Options", {})[name] = option
            case "tmpfs-size":
                try:
                    tmpfs["SizeBytes"] = sizes.parse(value)
                except ValueError:
                    raise ValueError(f"invalid value for {key}: {value}") from None
            case "tmpfs-mode":
                if not re.fullmatch(r"[0-7]+", value):
                    raise ValueError(f"invalid value for {key}: {value}")
                tmpfs["Mode"] = int(value, 8)
            case _:
                raise ValueError(f"unexpected key '{key}' in '{item}'")
    if not found.get("Target"):
        raise ValueError("target is required")
    for kind, name, group in (("bind", "BindOptions", bind), ("volume", "VolumeOptions", options)):
        if group and found["Type"] != kind:
            raise ValueError(f"cannot mix '{kind}-*' options with mount type '{found['Type']}'")
        if group:
            found[name] = group
    if tmpfs and found["Type"] != "tmpfs":
        raise ValueError(f"cannot mix 'tmpfs-*' options with mount type '{found['Type']}'")
    if tmpfs:
        found["TmpfsOptions"] = tmpfs
    if bind.get("ReadOnlyForceRecursive") and not found.get("ReadOnly"):
        raise ValueError("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction")
    if bind.get("ReadOnlyForceRecursive") and bind.get("Propagation") != "rprivate":
        raise ValueError(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
        )
    return found


def _recursion(value: str) -> dict[str, Any]:
    match value:
        case "enabled":
            return {}
        case "disabled":
            return {"NonRecursive": True}
        case "writable":
            return {"ReadOnlyNonRecursive": True}
        case "readonly":
            return {"ReadOnlyForceRecursive": True}
    raise ValueError(
        f'invalid value for bind-recursive: {value} (must be "enabled", "disabled", "writable", or "readonly")'
    )


def tmpfs(items: Iterable[str]) -> dict[str, str]:
    return {path: options for path, _, options in (item.partition(":") for item in items)}


def devices(items: Iterable[str]) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """``--device`` values as device mappings, and as a request for those that are CDI names. Raises ValueError."""
    mappings: list[dict[str, str]] = []
    names: list[str] = []
    for text in items:
        if _CDI_NAME.fullmatch(text):
            names.append(text)
            continue
        source, *rest = text.split(":")
        target, permissions = source, "rwm"
        if len(rest) > 2:
            raise ValueError(f"bad format for path: {text}")
        if len(rest) == 2:
            target, permissions = rest
            if not _PERMISSIONS.fullmatch(permissions):
                raise ValueError(f"bad mode specified: {permissions}")
        elif rest and _PERMISSIONS.fullmatch(rest[0]):
            permissions = rest[0]
        elif rest:
            target = rest[0]
        mappings.append({"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": permissions})
    return mappings, [{"Driver": "cdi", "DeviceIDs": names}] if names else []


def gpus(text: str) -> dict[str, Any]:
    """``--gpus all``, ``2`` or ``"device=0,1","capabilities=compute"`` as a device request. Raises ValueError."""
    request: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": None, "Options": {}}
    seen: set[str] = set()
    for item in fields_of(text):
        key, equals, value = item.partition("=")
        if not equals:
            key, value = "count", key
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if key == "driver":
            request["Driver"] = value
        elif key == "count":
            if value != "all" and not value.lstrip("-").isdigit():
                raise ValueError(f'count must be an integer: strconv.Atoi: parsing "{value}": invalid syntax')
            request["Count"] = -1 if value == "all" else int(value)
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            pairs = (one.partition("=") for one in fields_of(value))
            request["Options"] = {name: option for name, _, option in pairs}
        else:
            raise ValueError(f"unexpected key '{key}' in '{item}'")
    if "count" not in seen and request["DeviceIDs"] is None:
        request["Count"] = 1
    if request["Capabilities"] is None:
        request["Capabilities"] = [["gpu"]]
    return request
