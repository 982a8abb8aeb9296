"""docs/library-reference.md is what the code says, has every public name, and every public name has words."""

from __future__ import annotations

import inspect
from pathlib import Path

from support import library_pages

import pycompose

DOCUMENT = Path(__file__).parents[2] / "docs" / "library-reference.md"


def test_document_is_what_the_code_says(update_golden: bool) -> None:
    text = library_pages.reference()
    if update_golden:
        DOCUMENT.write_text(text)
    assert text == DOCUMENT.read_text()


def test_every_public_name_is_described_once() -> None:
    described = [name for names in library_pages.PARTS.values() for name in names]
    received = [name for name in library_pages.RECEIVED if name in pycompose.__all__]
    assert sorted([*described, *received]) == sorted(pycompose.__all__)


def test_every_noun_of_the_engine_is_there() -> None:
    """A noun is told by its class's name; one that were named otherwise would be listed without its calls."""
    assert {"containers", "execs", "images", "networks", "volumes", "system"} < set(library_pages.nouns())
    text = DOCUMENT.read_text()
    assert [noun for noun in library_pages.nouns() if f"### engine.{noun}\n" not in text] == []


def test_every_public_member_has_words() -> None:
    bare = [
        f"{name}.{member}"
        for name in pycompose.__all__
        for member, value in vars(getattr(pycompose, name)).items()
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
        # An engine's nouns have the words of their classes, and the awaited methods those of the others.
        if not inspect.getdoc(value) and name != "AsyncStack" and member not in library_pages.nouns()
    ]
    assert bare == []


def test_every_call_of_the_engine_has_words() -> None:
    kinds = [library_pages.kind_of(noun) for noun in library_pages.nouns()]
    bare = [kind.__name__ for kind in kinds if not kind.__doc__]
    bare += [
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, member in vars(kind).items()
        if not name.startswith("_") and inspect.isfunction(member) and not member.__doc__
    ]
    assert bare == []
