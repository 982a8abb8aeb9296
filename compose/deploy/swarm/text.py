"""Text in places where Swarm fills in templates: variables, host names, sources and targets of mounts."""

from __future__ import annotations


def literal(text: str) -> str:
    """``text`` so that Swarm's template engine gives it back as it is."""
    return text.replace("{{", '{{"{{"}}')
