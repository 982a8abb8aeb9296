"""What the server answers, in the protocol's types: diagnostics, hovers, completions, places, edits, lenses. Nothing here waits."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import yaml
from lsprotocol import types

from ..errors import dotted
from . import analysis, symbols
from .place import Place, place_at, variable_before

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..errors import Mark
    from ..load.explain import Explanation
    from ..screens.store.derive import Project as Live
    from .analysis import Analysis
    from .family import Family, Occurrence

_NAME = re.compile(r"[._-]*[a-zA-Z0-9][a-zA-Z0-9._-]*")

_REFERENCES = {
    "depends_on": "services",
    "links": "services",
    "volumes_from": "services",
    "networks": "networks",
    "configs": "configs",
    "secrets": "secrets",
    "volumes": "volumes",
    "models": "models",
}


def path_of(uri: str) -> str:
    """The file that a ``file:`` address means."""
    return os.path.normpath(unquote(urlsplit(uri).path))


def uri_of(path: str) -> str:
    from pathlib import Path

    return Path(path).as_uri()


def _range(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


def diagnostics(found: Analysis, path: str, text: str) -> list[types.Diagnostic]:
    """The findings in this file, with `config`'s words; what has no place, or one in another file, stands at the first line."""
    lines = text.split("\n")
    out = []
    for one in found.findings:
        mark = one.diagnostic.mark
        own = mark is not None and os.path.normpath(mark.file) == path
        where = _word(lines, mark) if own and mark is not None else _range(0, 0, 0)
        severity = types.DiagnosticSeverity.Error if one.is_error else types.DiagnosticSeverity.Warning
        out.append(types.Diagnostic(where, str(one.diagnostic), severity, source="pycompose"))
    return out


def _word(lines: Sequence[str], mark: Mark) -> types.Range:
    line, start = min(mark.line - 1, len(lines) - 1), mark.column - 1
    rest = lines[line][start:]
    word = rest.split(":")[0].split(" ")[0] or rest
    return _range(line, start, start + max(1, len(word)))


def hover(explanation: Explanation | None, path: tuple[str | int, ...]) -> types.Hover | None:
    """What the key is, the merged value, and every layer that set it."""
    key = analysis.key_of(path)
    parts = [f"**{dotted(path)}**"]
    if key is not None and key.description:
        parts.append(key.description)
    if explanation is not None:
        shown = json.dumps(explanation.value, ensure_ascii=False, indent=2, default=str)
        parts.append(_fenced(shown if len(shown) < 2000 else f"{shown[:2000]}…"))
        lines = []
        for one in explanation.settings:
            said = f"{one.template} → " if one.template else ""
            value = json.dumps(one.value, ensure_ascii=False, default=str)
            lines.append(f"{'*' if one.wins else ' '} {one.place or one.kind}: {said}{value[:120]}")
        parts.append(_fenced("\n".join(lines)))
    if len(parts) == 1:
        return None
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(parts)))


def _fenced(text: str) -> str:
    return f"```text\n{text.replace('```', '` ` `')}\n```"


def completions(
    text: str, line: int, column: int, names: Callable[[str], Sequence[str]], variables: Callable[[], Mapping[str, str]]
) -> list[types.CompletionItem]:
    """Variables after ``${``, names where a name stands, else the keys that the specification has here."""
    if variable_before(text, line, column) is not None:
        kind = types.CompletionItemKind.Variable
        return [types.CompletionItem(name, kind=kind, detail=where) for name, where in sorted(variables().items())]
    place = place_at(text, line, column)
    wanted = _wanted(place)
    if wanted:
        kind = types.CompletionItemKind.Reference
        return [types.CompletionItem(name, kind=kind, detail=wanted) for name in names(wanted)]
    if not place.is_key:
        key = analysis.key_of(place.path)
        return [types.CompletionItem(one, kind=types.CompletionItemKind.Value) for one in (key.values if key else ())]
    return [
        types.CompletionItem(
            one.name, kind=types.CompletionItemKind.Property, documentation=one.description, insert_text=f"{one.name}:"
        )
        for one in analysis.keys_at(place.path)
    ]


def _wanted(place: Place) -> str:
    """The kind of name that is written here: an entry or key below ``depends_on`` and the like, or a value such as an image."""
    path = place.path
    if len(path) < 3 or path[0] != "services":
        return ""
    if path[2] in _REFERENCES and (len(path) == 3 or (len(path) == 4 and isinstance(path[3], int))):
        return _REFERENCES[str(path[2])] if "/" not in place.word and ":" not in place.word else ""
    if place.is_key:
        return ""
    if path[2:] in (("extends",), ("extends", "service")):
        return "services"
    return "images" if path[2:] == ("image",) else ""


def definition(
    text: str, path: str, line: int, column: int, near: Family, found: Callable[[], Analysis]
) -> types.Location | None:
    """Where the name under the cursor is defined, in this file or in one that it is merged with or extends; or the file that is
    named there. ``found`` is asked only for what neither says."""
    symbol = symbols.at(text, line, column)
    if symbol is not None:
        places = [one for one in near.occurrences(path, symbol) if one.symbol.defines]
        other = [one for one in places if one != (path, symbol)]
        own = next((one for one in other or places if one.path == path), next(iter(other), None))
        if own is not None or places:
            return location(own or places[0])
        project = found().project
        mark = project.mark(symbol.kind, symbol.name) if project is not None else None
        if mark is not None:
            return types.Location(uri_of(mark.file), _range(mark.line - 1, mark.column - 1, mark.column - 1))
        return None
    place = place_at(text, line, len(text.split("\n")[line]) if line < text.count("\n") + 1 else 0)
    keys = {part for part in place.path if isinstance(part, str)}
    if keys & {"include", "env_file", "extends", "file", "path"} and place.word:
        target = near.file(path, place.word.strip("\"'"))
        if os.path.isfile(target):
            return types.Location(uri_of(target), _range(0, 0, 0))
    return None


def location(one: Occurrence) -> types.Location:
    return types.Location(uri_of(one.path), span(one.symbol))


def references(text: str, path: str, line: int, column: int, near: Family) -> list[Occurrence]:
    """Every occurrence of the name under the cursor, in all files that share it."""
    symbol = symbols.at(text, line, column)
    return near.occurrences(path, symbol) if symbol is not None else []


def span(one: symbols.Symbol) -> types.Range:
    return _range(one.line, one.start, one.end)


def refusal(symbol: symbols.Symbol | None, path: str, name: str, near: Family) -> str:
    """Why the name under the cursor cannot become ``name``; "" when it can."""
    if symbol is None:
        return "there is no name of a service, network, volume, config, secret or model here"
    if not _NAME.fullmatch(name):  # with a letter or digit: YAML reads - and ... as punctuation
        return f"{name[:60]!r} is no name: letters, digits, '.', '_' and '-' only"
    node = yaml.compose(name, Loader=yaml.SafeLoader)
    if node is None or node.tag != "tag:yaml.org,2002:str":
        return f"YAML reads {name} as something else than text"
    if name != symbol.name and near.taken(path, symbol, name):
        return f"{symbol.kind}.{name} is there already"
    return ""


def rename(found: Sequence[Occurrence], name: str) -> types.WorkspaceEdit | None:
    edits: dict[str, list[types.TextEdit]] = {}
    for one in found:
        edits.setdefault(uri_of(one.path), []).append(types.TextEdit(span(one.symbol), name))
    return types.WorkspaceEdit(changes=edits) if edits else None


def lenses(text: str, live: Live | None) -> list[types.CodeLens]:
    """Above each service what its containers do now."""
    states = {one.name: one for one in live.services} if live is not None else {}
    out = []
    for one in symbols.symbols(text):
        if one.kind == "services" and one.defines:
            service = states.get(one.name)
            ports = dict.fromkeys(port.text for each in service.containers for port in each.ports) if service else {}
            words = " · ".join((service.detail, *ports)) if service else "not created"
            out.append(types.CodeLens(_range(one.line, one.start, one.end), types.Command(words, "")))
    return out
