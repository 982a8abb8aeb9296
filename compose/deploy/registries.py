"""Asking a registry for the digest of an image, without an engine."""

from __future__ import annotations

from ..errors import OperationError
from .images import Unknown


def digest_of(ref: str) -> str:
    """The digest that ``ref`` stands for now. Raises `Unknown` when the registry does not have it, `OperationError` when it cannot be asked."""
    from ..remote.registry import Registry, parse_reference

    reference = parse_reference(ref)
    try:
        return Registry(reference).manifest(reference.version).digest
    except OperationError as error:
        if str(error).endswith(": not found"):
            raise Unknown(f"{ref} is not in its registry") from error
        raise
