"""``healthcheck`` as the Engine API has it, and the probes that only pycompose's engine makes.

`x-http`, `x-tcp`, `x-log` and `x-notify` become a ``Test`` whose first word is HTTP, TCP, LOG or NOTIFY.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.service import HealthCheck, Service
    from ..model.values import Json
    from .bodies import Healthcheck

OWN_ENGINE_ONLY = "only pycompose's own engine makes this check; give a test that runs in the container"


def probe_of(tree: HealthCheck) -> tuple[str, Json] | None:
    """The probe of a ``healthcheck``: its key and value."""
    given = cast("Mapping[str, Json]", tree)
    for key in PROBES:
        value = given.get(key)
        if value is not None and value is not False:
            return key, value
    return None


def healthcheck(service: Service, api: tuple[int, int]) -> Healthcheck | None:
    """The member Healthcheck of a container's body; None leaves the image's check as it is."""
    tree = service.get("healthcheck")
    if not tree:
        return None
    probe = probe_of(tree)
    if tree.get("disable"):
        return {"Test": ["NONE"]}
    body: Healthcheck = {}
    if probe is not None:
        body["Test"] = _WORDS[probe[0]](probe[1])
    elif tree.get("test"):
        body["Test"] = list(tree["test"])
    if "interval" in tree:
        body["Interval"] = tree["interval"]
    if "timeout" in tree:
        body["Timeout"] = tree["timeout"]
    if "start_period" in tree:
        body["StartPeriod"] = tree["start_period"]
    if "start_interval" in tree and api >= (1, 44):
        body["StartInterval"] = tree["start_interval"]
    if "retries" in tree:
        body["Retries"] = tree["retries"]
    return body


def _http(value: Json) -> list[str]:
    if not isinstance(value, dict):
        return ["HTTP", f"port={value}"]
    words = ["HTTP", f"port={value['port']}"]
    words += [f"{key}={value[key]}" for key in ("path", "scheme") if value.get(key)]
    if wanted := value.get("status"):
        words.append("status=" + ",".join(map(str, wanted if isinstance(wanted, list) else [wanted])))
    headers = value.get("headers")
    return words + [
        f"header={name}:{text}" for name, text in sorted(headers.items() if isinstance(headers, dict) else ())
    ]


def _tcp(value: Json) -> list[str]:
    return ["TCP", f"port={value['port'] if isinstance(value, dict) else value}"]


def _log(value: Json) -> list[str]:
    if not isinstance(value, dict):
        return ["LOG", f"line={value}"]
    return ["LOG", *(f"{key}={value[key]}" for key in ("line", "regex") if value.get(key))]


def _notify(value: Json) -> list[str]:
    return ["NOTIFY"]


_WORDS: Mapping[str, Callable[[Json], list[str]]] = {
    "x-http": _http,
    "x-tcp": _tcp,
    "x-log": _log,
    "x-notify": _notify,
}
PROBES = tuple(_WORDS)
