"""What may help, by the words of Swarm's own errors."""

from __future__ import annotations

_HINTS = (
    (
        "no such image",
        "the nodes cannot pull the image: is it pushed, and is the registry reachable and trusted from every node?",
    ),
    ("no suitable node", "compare deploy.placement, reservations and pinned volumes with docker node ls"),
    ("executable file not found", "the command is not in the image"),
    ("no such file or directory", "a path that the task mounts or runs is not there on that node"),
    ("port already in use", "another service of the swarm has the port on that node"),
    ("address already in use", "another process of the node has the port"),
    ("port is already allocated", "another container of the node has the port"),
    ("unhealthy", "raise healthcheck.start_period or retries if the service only needs longer"),
    ("non-zero exit (137)", "killed: it may have been out of memory (deploy.resources.limits.memory)"),
)


def hint(reason: str) -> str:
    words = reason.lower()
    return next((text for start, text in _HINTS if start in words), "")
