"""Arguments of instructions in their three notations: a JSON array, words at blanks, and ``name=value`` pairs."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from ....grammar.ignore import SPACES

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


class ArgumentError(ValueError):
    """Arguments of the wrong form; the caller knows the line."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def json_list(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, or None when the text is none (then it is the shell form).

    Raises ArgumentError when it is an array with something other than strings inside.
    """
    text = text.lstrip(SPACES)
    if text[:1] != "[":
        return None
    try:
        values = json.loads(text.rstrip(" \t\r\n"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise ArgumentError("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(_SURROGATES.sub("\ufffd", value) for value in values)


def blank_separated(text: str) -> tuple[str, ...]:
    """Words at blanks; quotes mean nothing here."""
    return tuple(_BLANKS.split(text)) if text else ()


def quoted_words(text: str, escape: str) -> tuple[str, ...]:
    """Words at spaces outside of quotes. Quotes and escapes stay: they are removed when the word is expanded."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char in SPACES:
            if word:
                words.append("".join(word))
                word = []
            continue
        if quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == escape and quote != "'":
            if at == len(text):
                break  # an escape at the very end escapes nothing and goes
            word.append(char)
            char = text[at]
            at += 1
        word.append(char)
    if word:
        words.append("".join(word))
    return tuple(words)


def name_values(text: str, keyword: str, escape: str) -> tuple[tuple[str, str, bool], ...]:
    """(name, value, legacy) triples of ENV and LABEL; ``legacy`` is the form ``NAME value with spaces``."""
    words = quoted_words(text, escape)
    if not words:
        raise ArgumentError(f"{keyword} requires at least one argument")
    if "=" not in words[0]:
        parts = _BLANKS.split(text, maxsplit=1)
        if len(parts) < 2:
            raise ArgumentError(f"{keyword} must have two arguments")
        pairs: tuple[tuple[str, str, bool], ...] = ((parts[0], parts[1], True),)
    else:
        for word in words:
            if "=" not in word:
                message = f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
                raise ArgumentError(message)
        pairs = tuple((*word.split("=", 1), False) for word in words)  # type: ignore[misc]
    if any(not name for name, _, _ in pairs):
        raise ArgumentError(f"{keyword} names can not be blank")
    return pairs
