"""Labels of a stack's objects. The first is docker stack's, so that `docker stack` sees what is made here and removes it."""

from __future__ import annotations

STACK = "com.docker.stack.namespace"
IMAGE = "com.docker.stack.image"
SERVICE = "io.pycompose.service"
KEY = "io.pycompose.key"
"""On secrets and configs: their name in the Compose file, without the digits of their content."""

PIN = "io.pycompose.volume."
"""On a node, with a volume's name behind it: the volume is there, so what uses it runs there."""


def pin(volume: str) -> str:
    return f"{PIN}{volume}"
