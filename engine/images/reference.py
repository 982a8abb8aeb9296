"""Image references as the Engine API takes them: the shared grammar with the API's error."""

from __future__ import annotations

from ...grammar import references
from ...grammar.references import DEFAULT_DOMAIN, DEFAULT_TAG, Reference, id_prefix, is_digest, is_tag
from ..errors import InvalidParameter

__all__ = ["DEFAULT_DOMAIN", "DEFAULT_TAG", "Reference", "given", "id_prefix", "is_digest", "is_tag", "parse"]


def tagged(repository: str, tag: str) -> str:
    """The name that a repository and a tag of a request stand for: the tag counts, also where the repository has one. Raises
    InvalidParameter."""
    named = parse(repository)
    if not tag:
        return repository
    if not is_tag(tag):
        raise InvalidParameter("invalid tag format")
    bare = repository.removesuffix(f"@{named.digest}") if named.digest else repository
    return f"{bare.removesuffix(f':{named.tag}') if named.tag else bare}:{tag}"


def given(text: str) -> Reference:
    """A name that an image is given, with its tag. Never one with a digest: that would say what its content is, which only the
    content says. Raises InvalidParameter."""
    named = parse(text)
    if named.digest:
        raise InvalidParameter("refusing to create a tag with a digest reference")
    if named.familiar_name == "sha256":
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
    return named.with_default_tag


def parse(text: str) -> Reference:
    """Parse and make canonical. Raises InvalidParameter in Docker's words."""
    try:
        return references.parse(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
