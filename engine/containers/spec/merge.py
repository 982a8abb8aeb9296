"""A container's Config from the client's wishes and the image's defaults. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidParameter
from . import probing

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_image(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` (normalized) completed from the OCI image's ``config`` member.

    The client's Entrypoint drops the image's Cmd; its environment and labels win by name. Raises InvalidParameter when
    there is nothing to run.
    """
    merged = dict(config)
    if not merged["User"]:
        merged["User"] = image.get("User") or ""
    if not merged["WorkingDir"]:
        merged["WorkingDir"] = image.get("WorkingDir") or ""
    for member in ("ExposedPorts", "Volumes"):
        merged[member] = {name: {} for name in (*(image.get(member) or ()), *(config[member] or ()))} or None
    merged["Env"] = environment(config["Env"] or [], image.get("Env") or [])
    merged["Labels"] = {**(image.get("Labels") or {}), **(config["Labels"] or {})}
    if not config["Entrypoint"]:
        if not config["Cmd"]:
            merged["Cmd"] = list(image["Cmd"]) if image.get("Cmd") else None
        if config["Entrypoint"] is None:
            merged["Entrypoint"] = list(image["Entrypoint"]) if image.get("Entrypoint") else None
    elif config["Entrypoint"] == [""]:
        merged["Entrypoint"] = None  # --entrypoint "": run the command itself
    if not merged["StopSignal"]:
        merged["StopSignal"] = image.get("StopSignal") or ""
    merged["Healthcheck"] = _healthcheck(config["Healthcheck"], image.get("Healthcheck"))
    probing.of(merged)  # raises for a malformed one of an image
    if merged["OnBuild"] is None:
        merged["OnBuild"] = image.get("OnBuild") or None
    if merged["Shell"] is None:
        merged["Shell"] = image.get("Shell") or None
    if not merged["Entrypoint"] and not merged["Cmd"]:
        raise InvalidParameter("no command specified")
    return merged


def environment(wanted: list[str], defaults: list[str]) -> list[str]:
    """``wanted`` followed by those defaults it does not name. A bare ``NAME`` takes the variable away."""
    names = {entry.partition("=")[0] for entry in wanted}
    return [*wanted, *(entry for entry in defaults if entry.partition("=")[0] not in names)]


def _healthcheck(wanted: Mapping[str, Any] | None, default: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if wanted is None:
        return dict(default) if default else None
    if not default or (wanted.get("Test") or [""])[0] == "NONE":
        return dict(wanted)
    merged = dict(wanted)
    for member in ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"):
        if not merged.get(member) and default.get(member):
            merged[member] = default[member]
    return merged
