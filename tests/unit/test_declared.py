"""Names of services read off a Compose file's text: exact, or left to the loader."""

from __future__ import annotations

import pytest

from pycompose.compose.app.declared import written_services


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("services:\n  a: {image: x}\n  b:\n    image: y\n    ports:\n    - 80\n", {"a", "b"}),
        (
            "name: n\nvolumes:\n  v:\nservices: # all\n\n    # none\n    'a-1':\n      command: |\n        b: c\n",
            {"a-1"},
        ),
        ('services:\n  "a.b": {image: x}\nnetworks:\n  c: {}\n', {"a.b"}),
        ("volumes:\n  v:\n", set()),
        ("services: {a: {image: x}}\n", None),
        ("services:\n  a: {image: x, profiles: [p]}\n", None),
        ("include: [other.yaml]\nservices:\n  a: {image: x}\n", None),
        ("services:\n  <<: *other\n  a: {image: x}\n", None),
        ("services:\n  a: {image: x}\n---\nservices:\n  b: {image: x}\n", None),
        ("services:\n\ta: {image: x}\n", None),
        ("services:\n    a: {image: x}\n  b: {image: x}\n", None),
        ("services:\n  a: &base\n    image: x\n  b: *base\n", {"a", "b"}),
        ('services:\n  a:\n    command: "x\n  b: y"\n', None),
        ("services:\n  a:\n    command: 'x\n  b: y'\n", None),
        ("services:\n  a:\n    command: [x,\n  b: y]\n", None),
        ("services:\n  a: {image: x,\n  b: y}\n", None),
        ("services:\n  a: {image: x}\n  b: !reset null\n", None),
    ],
)
def test_written_services(text: str, names: set[str] | None) -> None:
    assert written_services(text) == names
