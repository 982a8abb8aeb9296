"""Image references as the Engine API takes them: the shared grammar with the API's error."""

from __future__ import annotations

from ...grammar import references
from ...grammar.references import DEFAULT_DOMAIN, DEFAULT_TAG, Reference, id_prefix, is_digest, is_tag
from ..errors import InvalidParameter

__all__ = ["DEFAULT_DOMAIN", "DEFAULT_TAG", "Reference", "id_prefix", "is_digest", "is_tag", "parse"]


def parse(text: str) -> Reference:
    """Parse and make canonical. Raises InvalidParameter in Docker's words."""
    try:
        return references.parse(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
