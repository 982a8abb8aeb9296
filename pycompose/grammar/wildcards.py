"""Wildcards matched in one pass: time grows with text times pattern, never with what a pattern's stars could combine to.

Regular expressions try every way to share a text among several stars; on ``*a*a*a*a*b`` that takes years. Here all ways
are followed at once, as bits of an integer: bit ``n`` says that the first ``n`` tokens have matched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def nothing(char: str) -> bool:
    """No character."""
    return False


class Token(NamedTuple):
    """A part of a pattern. ``takes`` says which characters it takes one of (and is done); ``loops`` which it takes any
    number of; ``skips`` how many tokens, counted from this one, may be passed over."""

    takes: Callable[[str], bool] = nothing
    loops: Callable[[str], bool] = nothing
    skips: tuple[int, ...] = ()


def literal(wanted: str) -> Token:
    return Token(takes=lambda char: char == wanted)


def one(excluded: str) -> Token:
    """Any character but one."""
    return Token(takes=lambda char: char != excluded)


def many(excluded: str = "") -> Token:
    """Any number of characters, but not one of ``excluded``."""
    return Token(loops=lambda char: char != excluded, skips=(1,))


def directories() -> tuple[Token, Token]:
    """``**/``: nothing, or anything that ends in a slash."""
    # The first stands where nothing has been taken yet: only there may both be passed over.
    return Token(skips=(1, 2)), Token(takes=lambda char: char == "/", loops=lambda char: True)


class Automaton:
    """A compiled pattern; ``spent`` counts the steps it has taken."""

    __slots__ = ("_masks", "_skips", "spent", "tokens")

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.spent = 0
        self._skips: dict[int, int] = {}
        self._masks: dict[str, tuple[int, int]] = {}
        for place, token in enumerate(tokens):
            for count in token.skips:
                self._skips[count] = self._skips.get(count, 0) | 1 << place

    def matches(self, text: str) -> bool:
        """Whether the pattern takes the whole text."""
        return any(end == len(text) for end in self.ends(text))

    def ends(self, text: str, start: int = 0) -> Iterator[int]:
        """Every place where a match that begins at ``start`` may end, in order."""
        done = 1 << len(self.tokens)
        state = self._passed(1)
        if state & done:
            yield start
        for at in range(start, len(text)):
            takes, loops = self._mask(text[at])
            state = self._passed((state & takes) << 1 | (state & loops))
            self.spent += 1
            if not state:
                return
            if state & done:
                yield at + 1

    def _passed(self, state: int) -> int:
        before = -1
        while state != before:
            before = state
            for count, mask in self._skips.items():
                state |= (state & mask) << count
        return state

    def _mask(self, char: str) -> tuple[int, int]:
        known = self._masks.get(char)
        if known is None:
            takes = sum(1 << place for place, token in enumerate(self.tokens) if token.takes(char))
            loops = sum(1 << place for place, token in enumerate(self.tokens) if token.loops(char))
            known = self._masks[char] = takes, loops
        return known
