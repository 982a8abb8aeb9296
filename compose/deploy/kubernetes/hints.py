"""What may help, by the words of Kubernetes' own errors."""

from __future__ import annotations

_HINTS = (
    (
        "imagepull",
        "the nodes cannot pull the image: is it pushed, and is the registry reachable and trusted from every node?",
    ),
    (
        "errimage",
        "the nodes cannot pull the image: is it pushed, and is the registry reachable and trusted from every node?",
    ),
    (
        "unbound",
        "no storage fits the claim: say class, size and mode below the volume's x-kubernetes, and compare kubectl get sc,pv",
    ),
    ("persistentvolumeclaim", "no storage fits the claim: compare kubectl get pvc,pv,sc"),
    ("insufficient", "no node has as much left as deploy.resources asks for"),
    ("didn't match", "compare deploy.placement with the labels of kubectl get nodes --show-labels"),
    ("runasnonroot", "the image runs as root; set user: to a number"),
    ("oomkilled", "raise the service's memory limit (mem_limit or deploy.resources.limits.memory)"),
    ("exit code 127", "the command was not found in the image"),
    ("exit code 126", "the command is not executable"),
    ("not found in $path", "the command was not found in the image"),
    ("is not ready", "raise healthcheck.start_period or retries if the service only needs longer"),
)


def hint(reason: str) -> str:
    words = reason.lower()
    return next((text for start, text in _HINTS if start in words), "")
