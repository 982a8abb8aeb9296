"""For the probes: a fact is what its question answers, or - where what it asks for is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def tell(**questions: Callable[[], object]) -> None:
    """One line each; an underscore in a name is a blank. Any other error than that something is missing is raised."""
    for word, ask in questions.items():
        try:
            answer = ask()
        except (ImportError, AttributeError, KeyError):
            answer = None
        print(f"{word.replace('_', ' ')}: {'-' if answer in (None, False, '') else answer}")
