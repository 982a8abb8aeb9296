"""``healthcheck`` as the Engine API has it, and the probes that only pycompose's engine makes.

`x-http`, `x-tcp`, `x-log` and `x-notify` become a ``Test`` whose first word is HTTP, TCP, LOG or NOTIFY.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROBES = ("x-http", "x-tcp", "x-log", "x-notify")
OWN_ENGINE_ONLY = "only pycompose's own engine makes this check; give a test that runs in the container"


def probe_of(tree: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The probe of a ``healthcheck``: its key and value."""
    for key in PROBES:
        value = tree.get(key)
        if value is not None and value is not False:
            return key, value
    return None


def healthcheck(service: Mapping[str, Any], api: tuple[int, int]) -> dict[str, Any] | None:
    """The member Healthcheck of a container's body; None leaves the image's check as it is."""
    tree = service.get("healthcheck")
    if not tree:
        return None
    probe = probe_of(tree)
    if tree.get("disable"):
        return {"Test": ["NONE"]}
    body: dict[str, Any] = {}
    if probe is not None:
        body["Test"] = _WORDS[probe[0]](probe[1])
    elif tree.get("test"):
        test = tree["test"]
        body["Test"] = ["CMD-SHELL", test] if isinstance(test, str) else list(test)
    for key, name in (("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod")):
        if tree.get(key) is not None:
            body[name] = nanoseconds(tree[key])
    if tree.get("start_interval") is not None and api >= (1, 44):
        body["StartInterval"] = nanoseconds(tree["start_interval"])
    if tree.get("retries") is not None:
        body["Retries"] = int(tree["retries"])
    return body


def _http(value: Mapping[str, Any]) -> list[str]:
    words = ["HTTP", f"port={value['port']}"]
    words += [f"{key}={value[key]}" for key in ("path", "scheme") if value.get(key)]
    if value.get("status"):
        wanted = value["status"]
        words.append("status=" + ",".join(map(str, wanted if isinstance(wanted, list) else [wanted])))
    return words + [f"header={name}:{text}" for name, text in sorted((value.get("headers") or {}).items())]


def _tcp(value: Any) -> list[str]:
    return ["TCP", f"port={value['port'] if isinstance(value, dict) else value}"]


def _log(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["LOG", f"line={value}"]
    return ["LOG", *(f"{key}={value[key]}" for key in ("line", "regex") if value.get(key))]


def _notify(value: Any) -> list[str]:
    return ["NOTIFY"]


_WORDS: Mapping[str, Callable[[Any], list[str]]] = {
    "x-http": _http, "x-tcp": _tcp, "x-log": _log, "x-notify": _notify,
}  # fmt: skip
