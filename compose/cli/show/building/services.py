"""Builds of several services shown as one: their steps numbered together, and each titled with its service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....client.bodies.builds import Event


class Scopes:
    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}

    def scoped(self, service: str, event: Event) -> Event:
        """The event with a step number of its own among all services', and the service before the stage."""
        found = event.copy()
        if found.get("step"):
            found["step"] = self._numbers.setdefault((service, int(found["step"])), len(self._numbers) + 1)
        if found["event"] == "StepStarted":
            if found.get("index"):
                found["stage"] = f"{service} {found.get('stage') or ''}".rstrip()
            elif str(found["text"]).startswith("["):
                found["text"] = f"[{service} {str(found['text'])[1:]}"
            else:
                found["text"] = f"[{service}] {found['text']}"
        elif found["event"] == "Notice":
            found["rule"] = f"{service}: {found.get('rule') or ''}".removesuffix(": ")
        return found
