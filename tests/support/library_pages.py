"""The reference of the library, in Markdown, from what can be imported: what docs/library-reference.md holds.

Signatures and words are those of the code, so that neither can drift from it: who wants a better page writes a better docstring.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pycompose

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Reference of the library

Written by `pytest --update-golden tests/unit/test_library_reference.py` from the code; do not edit. [pycompose in Python
programs](library.md) says how it is used. Every name of the first three parts is `from pycompose import NAME`; those of the
fourth are only received. Bodies of the engine's calls (`bodies.…`) are the JSON objects of the Docker Engine API under its own
names, typed in `pycompose/compose/client/bodies`.
"""

PARTS = {
    "Stacks": ("Stack", "AsyncStack", "LogFeed", "Plan", "UpOptions", "DownOptions", "ExecOptions", "OneOffOptions"),
    "Models and engines": ("load", "Project", "connect", "Engine"),
    "Errors": (
        "ComposeError",
        "UsageError",
        "LoadError",
        "PlanError",
        "OperationError",
        "StackError",
        "CommandFailed",
        "TimedOut",
        "EngineError",
    ),
}
RECEIVED = {
    "Completed": "compose.app.results",
    "LogLine": "compose.app.feed",
    "Container": "compose.app.results",
    "Port": "compose.app.results",
    "Convergence": "compose.app.converge",
    "Choices": "compose.app.choices",
    "Diagnostic": "compose.errors",
    "Mark": "compose.errors",
}


def nouns() -> list[str]:
    """The attributes of `Engine` that group its calls; each is the class of its name in the module of its name."""
    members = vars(pycompose.Engine).items()
    return [name for name, member in members if isinstance(member, property) and _back(member).lower() == name]


def kind_of(noun: str) -> Any:
    """The class of a noun's calls."""
    return getattr(import_module(f"pycompose.compose.client.{noun}"), noun.capitalize())


def reference() -> str:
    """The document."""
    lines = [_INTRODUCTION]
    for title, names in PARTS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _entry(name, getattr(pycompose, name))
    lines += ["## Values that are received", ""]
    for name, home in RECEIVED.items():
        lines += _entry(name, getattr(import_module(f"pycompose.{home}"), name))
    lines += ["## Calls of the engine, by noun", ""]
    for noun in nouns():
        kind = kind_of(noun)
        lines += [f"### engine.{noun}", ""]
        lines += _said(kind)
        lines += _members(kind)
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, thing: Any) -> Iterator[str]:
    if not inspect.isclass(thing):
        yield from (f"### {name}", "", f"`{name}{_signature(thing)}`", "")
        yield from _said(thing)
        return
    base = thing.__bases__[0]
    yield from (f"### {name}", "")
    if issubclass(thing, pycompose.ComposeError):
        yield from (f"A kind of `{base.__name__}`; a command that ends with it has exit code {thing.exit_code}.", "")
    elif "__init__" in vars(thing) and not hasattr(thing, "__dataclass_fields__"):
        yield from (f"`{name}{_signature(thing.__init__)}`", "")
    yield from _said(thing)
    if hasattr(thing, "__dataclass_fields__"):
        yield from _fields(thing)
    if name == "AsyncStack":  # a test holds both to each other: tests/unit/test_library_surface.py
        yield from ("Its methods are those of [Stack](#stack), awaited.", "")
        return
    yield from _members(thing)


def _fields(kind: Any) -> Iterator[str]:
    yield from ("| field | type | default |", "|---|---|---|")
    hints = {
        name: hint for one in reversed(kind.__mro__) for name, hint in vars(one).get("__annotations__", {}).items()
    }
    for name, field in kind.__dataclass_fields__.items():
        default = "" if field.default is MISSING else f"`{field.default!r}`"
        if field.default_factory is not MISSING:
            made = field.default_factory()
            default = "the process's" if made and not callable(made) else "empty"
        yield f"| `{name}` | `{_cell(hints[name])}` | {default} |"
    yield ""


def _members(kind: Any) -> Iterator[str]:
    """Public properties and methods, in the order of the code."""
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            shown = f".{name}: {_back(member)}"
            said: Any = member.fget
        elif isinstance(member, classmethod):
            shown, said = f".{name}{_signature(member.__func__)}", member.__func__
        elif inspect.isfunction(member):
            shown, said = f".{name}{_signature(member)}", member
        else:
            continue
        words = " ".join(" ".join(_said(said)).split())  # one item of a list, however many paragraphs
        yield f"- `{shown}`" + (f"<br>{words}" if words else "")
    yield ""


def _signature(function: Any) -> str:
    """As a caller sees it: without ``self``, and with annotations as they are written."""
    signature = inspect.signature(function)
    shown: list[str] = []
    starred = False
    for number, one in enumerate(signature.parameters.values()):
        if number == 0 and one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            shown.append("*")
        starred = starred or one.kind is one.VAR_POSITIONAL
        stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
        text = stars + one.name
        if one.annotation is not one.empty:
            text += f": {_annotation(one.annotation)}"
        if one.default is not one.empty:
            text += f" = {one.default!r}"
        shown.append(text)
    back = signature.return_annotation
    tail = "" if back in (signature.empty, "None") else f" -> {_annotation(back)}"
    return f"({', '.join(shown)}){tail}"


def _back(member: property) -> str:
    """The type of a property, as it is written."""
    return _annotation(inspect.signature(member.fget).return_annotation) if member.fget else ""


def _annotation(written: Any) -> str:
    return written if isinstance(written, str) else str(getattr(written, "__name__", written))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _said(thing: Any) -> Iterator[str]:
    """Its own docstring with Markdown's code marks; nothing where it has none."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if text:
        yield from (re.sub(r"``([^`]+)``", r"`\1`", text), "")
