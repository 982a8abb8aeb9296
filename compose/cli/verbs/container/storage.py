"""Volumes, mounts, tmpfs, devices and GPUs of `container run` and `create`, from docker's short and long notations."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .....grammar import sizes
from .....grammar.numerals import natural
from ....shortforms import parse_volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....convert import bodies

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


class _Mount:
    """One ``--mount`` as far as it has been read: the mount, and what belongs to its type alone."""

    def __init__(self) -> None:
        self.body: bodies.Mount = {"Type": "volume"}
        self.bind: bodies.BindOptions = {}
        self.volume: bodies.VolumeOptions = {}
        self.tmpfs: bodies.TmpfsOptions = {}

    def take(self, key: str, value: str, given: bool) -> bool:
        """Read one field; False for one that does not exist. ``given``: it had a ``=``. Raises ValueError."""
        if key.startswith("bind-"):
            return self._take_bind(key, value, given)
        if key.startswith("volume-"):
            return self._take_volume(key, value, given)
        if key.startswith("tmpfs-"):
            return self._take_tmpfs(key, value)
        match key:
            case "type":
                self.body["Type"] = value.lower()
            case "source" | "src":
                relative = value == "." or value.startswith(("./", "../"))
                self.body["Source"] = os.path.abspath(value) if relative else value
            case "target" | "dst" | "destination":
                self.body["Target"] = value
            case "readonly" | "ro":
                self.body["ReadOnly"] = _boolean(key, value, given)
            case "consistency":
                self.body["Consistency"] = value.lower()
            case _:
                return False
        return True

    def _take_bind(self, key: str, value: str, given: bool) -> bool:
        match key:
            case "bind-propagation":
                self.bind["Propagation"] = value.lower()
            case "bind-nonrecursive":
                self.bind["NonRecursive"] = _boolean(key, value, given)
            case "bind-idmap":
                self.bind["IDMapping"] = {"Source": value}
            case "bind-recursive":
                self.bind = {**self.bind, **_recursion(value)}
            case _:
                return False
        return True

    def _take_volume(self, key: str, value: str, given: bool) -> bool:
        name, _, rest = value.partition("=")
        driver = self.volume.get("DriverConfig", {})
        match key:
            case "volume-subpath":
                self.volume["Subpath"] = value
            case "volume-nocopy":
                self.volume["NoCopy"] = _boolean(key, value, given)
            case "volume-label":
                self.volume["Labels"] = {**self.volume.get("Labels", {}), name: rest}
            case "volume-driver":
                self.volume["DriverConfig"] = {**driver, "Name": value}
            case "volume-opt":
                self.volume["DriverConfig"] = {**driver, "Options": {**driver.get("Options", {}), name: rest}}
            case _:
                return False
        return True

    def _take_tmpfs(self, key: str, value: str) -> bool:
        match key:
            case "tmpfs-size":
                try:
                    self.tmpfs["SizeBytes"] = sizes.parse(value)
                except ValueError:
                    raise ValueError(f"invalid value for {key}: {value}") from None
            case "tmpfs-mode":
                if not re.fullmatch(r"[0-7]+", value):
                    raise ValueError(f"invalid value for {key}: {value}")
                self.tmpfs["Mode"] = int(value, 8)
            case _:
                return False
        return True

    def finished(self) -> bodies.Mount:
        """The whole. Raises ValueError for what does not go together."""
        body = self.body
        if not body.get("Target"):
            raise ValueError("target is required")
        for kind, options in (("bind", self.bind), ("volume", self.volume), ("tmpfs", self.tmpfs)):
            if options and body["Type"] != kind:
                raise ValueError(f"cannot mix '{kind}-*' options with mount type '{body['Type']}'")
        if self.bind:
            body["BindOptions"] = self.bind
        if self.volume:
            body["VolumeOptions"] = self.volume
        if self.tmpfs:
            body["TmpfsOptions"] = self.tmpfs
        if self.bind.get("ReadOnlyForceRecursive"):
            words = "option 'bind-recursive=readonly' requires"
            if not body.get("ReadOnly"):
                raise ValueError(f"{words} 'readonly' to be specified in conjunction")
            if self.bind.get("Propagation") != "rprivate":
                raise ValueError(f"{words} 'bind-propagation=rprivate' to be specified in conjunction")
        return body


_ALONE = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")
"""Fields of --mount that mean true without a value."""


def mount(text: str) -> bodies.Mount:
    """``--mount type=bind,source=…,target=…,readonly`` as an API mount. Raises ValueError."""
    found = _Mount()
    for item in fields_of(text):
        key, equals, value = item.partition("=")
        key = key.lower()
        if not equals and key not in _ALONE:
            raise ValueError(f"invalid field '{item}' must be a key=value pair")
        if not found.take(key, value, bool(equals)):
            raise ValueError(f"unexpected key '{key}' in '{item}'")
    return found.finished()


def _recursion(value: str) -> bodies.BindOptions:
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


def devices(items: Iterable[str]) -> tuple[list[bodies.DeviceMapping], list[bodies.DeviceRequest]]:
    """``--device`` values as device mappings, and as a request for those that are CDI names. Raises ValueError."""
    mappings: list[bodies.DeviceMapping] = []
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


def gpus(text: str) -> bodies.DeviceRequest:
    """``--gpus all``, ``2`` or ``"device=0,1","capabilities=compute"`` as a device request. Raises ValueError."""
    request: bodies.DeviceRequest = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": None, "Options": {}}
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
            if value != "all" and natural(value.removeprefix("-")) is None:
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
