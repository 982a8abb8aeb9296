"""A container's Config from the client's wishes and the image's defaults. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ...images.bodies import Healthcheck, Process, Set
    from .bodies import Config

_NUMBERS: tuple[Literal["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"], ...] = (
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
    "Retries",
)


_ACTED_UPON = ("io.pycompose.", "com.docker.compose.oneoff", "com.docker.compose.hook", "com.docker.compose.replace")
"""How the labels begin by which clients and the engine are told what to do: leases, hooks, ports, volumes; and those that make
a container one of a project, whose files other labels then name."""


def an_images(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Those of the labels that an image may have brought, or may take along from a container."""
    return {name: text for name, text in (labels or {}).items() if not name.startswith(_ACTED_UPON)}


def with_image(config: Config, image: Process) -> Config:
    """``config`` (normalized) completed from the OCI image's ``config`` member.

    The client's Entrypoint drops the image's Cmd; its environment and labels win by name. Labels that we act upon are the
    client's alone. Raises InvalidParameter when there is nothing to run.
    """
    merged = config.copy()
    if not merged["User"]:
        merged["User"] = image.get("User") or ""
    if not merged["WorkingDir"]:
        merged["WorkingDir"] = image.get("WorkingDir") or ""
    merged["ExposedPorts"] = _together(image.get("ExposedPorts"), config["ExposedPorts"])
    merged["Volumes"] = _together(image.get("Volumes"), config["Volumes"])
    merged["Env"] = environment(config["Env"] or [], image.get("Env") or [])
    merged["Labels"] = {**an_images(image.get("Labels")), **(config["Labels"] or {})}
    if not config["Entrypoint"]:
        if not config["Cmd"]:
            merged["Cmd"] = list(image.get("Cmd") or ()) or None
        if config["Entrypoint"] is None:
            merged["Entrypoint"] = list(image.get("Entrypoint") or ()) or None
    elif config["Entrypoint"] == [""]:
        merged["Entrypoint"] = None  # --entrypoint "": run the command itself
    if not merged["StopSignal"]:
        merged["StopSignal"] = image.get("StopSignal") or ""
    merged["Healthcheck"] = _healthcheck(config["Healthcheck"], image.get("Healthcheck"))
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


def _together(one: Set | None, other: Set | None) -> Set | None:
    return {name: {} for name in (*(one or ()), *(other or ()))} or None


def _healthcheck(wanted: Healthcheck | None, default: Healthcheck | None) -> Healthcheck | None:
    if wanted is None:
        return default.copy() if default else None
    if not default or (wanted.get("Test") or [""])[0] == "NONE":
        return wanted.copy()
    merged = wanted.copy()
    if not merged.get("Test") and default.get("Test"):
        merged["Test"] = default["Test"]
    for member in _NUMBERS:
        if not merged.get(member) and default.get(member):
            merged[member] = default[member]
    return merged
