"""Text where Kubernetes expands ``$(NAME)``: commands, arguments and variables."""

from __future__ import annotations


def literal(text: str) -> str:
    """``text`` so that the kubelet gives it back as it is."""
    return text.replace("$", "$$")


def quantity(count: int) -> str:
    """Bytes as a quantity: in the largest binary unit that leaves nothing over."""
    for size, unit in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def cpus(value: float) -> str:
    """CPUs as a quantity, in thousandths where they are not whole."""
    thousandths = max(round(value * 1000), 1)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"
