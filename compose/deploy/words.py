"""A service's entrypoint and command as a cluster takes them, where an empty entrypoint stands for the image's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.service import Service
    from .findings import Findings


def command_words(name: str, tree: Service, findings: Findings) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """The words in place of the image's ENTRYPOINT, and those in place of its CMD; None leaves the image's.

    ``entrypoint: []`` takes the image's away, and what runs is the command alone: the command is the entrypoint then. Without one it
    would be the image's CMD, which only whoever starts the image can join to nothing.
    """
    entrypoint, command = tree.get("entrypoint"), tree.get("command")
    if entrypoint is None or entrypoint:
        return entrypoint, command
    if not command:
        findings.refuse(
            ("services", name, "entrypoint"),
            "a cluster cannot take an image's entrypoint away and keep its command",
            "write the whole command line as entrypoint",
        )
    return command, None
