"""What ``--check`` prints: the findings of the build checks, in buildx' form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....client.bodies.builds import Checked


def report(found: Checked, name: str = "") -> tuple[str, int]:
    """The text and the exit code: 1 when anything was found, or the build would be refused. ``name`` is the service's."""
    warnings, refused = found["warnings"], found.get("buildError")
    where = f"{name}: " if name else ""
    if not warnings and not refused:
        return f"{where}Check complete, no warnings found.\n", 0
    count = "1 warning has" if len(warnings) == 1 else f"{len(warnings)} warnings have"
    lines = [f"{where}Check complete, {count} been found!", ""] if warnings else []
    for one in warnings:
        lines += [f"WARNING: {one['ruleName']} - {one['url']}", one["description"], one["detail"], one["excerpt"], ""]
    if refused:
        lines += [f"{where}ERROR: {refused['message']}", refused.get("excerpt", ""), ""]
    return "\n".join(lines), 1
