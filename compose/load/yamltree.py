"""YAML text to trees with places: anchors, aliases, merge keys, duplicate keys, ``!reset`` and ``!override``.

The C parser yields events; this module builds the tree itself, so that every key keeps its line and column, nesting and
alias expansion stay bounded, and scalars follow `scalars` rather than PyYAML's YAML 1.1. It knows no Compose key.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Diagnostic, LoadError, Mark, Path
from . import scalars
from .tree import Map, Seq

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 128
"""Nesting beyond this is refused: no real file comes near, and later phases recurse."""
MAX_NODES = 2_000_000
"""Nodes in one document after aliases are expanded."""
MAX_ALIASED = 400_000
"""Nodes that may come from expanding aliases."""

_SCALAR, _SEQUENCE, _MAPPING, _ALIAS = range(4)
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


class Node:
    """One YAML node; ``content`` holds text, items, or keys and values in turn, or for an alias the node meant. ``size`` is
    the number of nodes that it stands for once aliases are expanded."""

    __slots__ = ("column", "content", "kind", "line", "plain", "size", "tag")

    def __init__(self, kind: int, tag: str | None, content: Any, line: int, column: int, plain: bool = True) -> None:
        self.kind = kind
        self.tag = tag
        self.content = content
        self.line = line
        self.column = column
        self.plain = plain
        self.size = 1


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its tree and the key paths that ``!reset`` or ``!override`` clears in what came before."""

    tree: Any
    cleared: tuple[Path, ...]


def parse(content: str | bytes, file: str) -> Iterator[Document]:
    """The documents in ``content``; raises `LoadError` with a place for anything that is not sound YAML."""
    for root in _compose(content, file):
        reader = _Reader(file)
        root_node = reader.strip_tags(root, ())
        tree = reader.value(root_node, 0) if root_node is not None else None
        yield Document(tree, tuple(reader.cleared))


def _compose(content: str | bytes, file: str) -> Iterator[Node]:
    import yaml

    try:
        parser = yaml.cyaml.CParser(content)  # type: ignore[attr-defined]
        try:
            yield from _documents(parser, yaml, file)
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(file, place.line + 1, place.column + 1) if place is not None else Mark(file, 1, 1)
        message = ", ".join(part for part in (error.context, error.problem) if part)
        if "cannot start any token" in message and place is not None and _is_tab(content, place.index):
            message = "tabs cannot indent; use spaces"
        raise LoadError(Diagnostic(f"not valid YAML: {message}", mark=mark)) from None
    except (yaml.reader.ReaderError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "reason", error))
        raise LoadError(Diagnostic(f"not valid YAML: {reason}", mark=Mark(file, 1, 1))) from None


def _is_tab(content: str | bytes, index: int) -> bool:
    """Whether the character at ``index`` is a tab."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    return text[index : index + 1] == "\t"


def _documents(parser: Any, yaml: Any, file: str) -> Iterator[Node]:
    scalar_event, alias_event = yaml.ScalarEvent, yaml.AliasEvent
    mapping_start, sequence_start = yaml.MappingStartEvent, yaml.SequenceStartEvent
    ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    anchors: dict[str, Node] = {}
    stack: list[Node] = []
    root: Node | None = None
    aliased = 0
    while True:
        event = parser.get_event()
        kind = type(event)
        if kind is scalar_event:
            place = event.start_mark
            tag, plain = event.tag, event.implicit[0]
            node = Node(_SCALAR, tag, event.value, place.line + 1, place.column + 1, plain and not event.style)
        elif kind is mapping_start or kind is sequence_start:
            place = event.start_mark
            node = Node(
                _MAPPING if kind is mapping_start else _SEQUENCE, event.tag, [], place.line + 1, place.column + 1
            )
            if len(stack) >= MAX_DEPTH:
                raise _error(file, node, f"nested deeper than {MAX_DEPTH} levels")
        elif kind in ends:
            ended = stack.pop()
            if stack:
                stack[-1].size += ended.size
            continue
        elif kind is alias_event:
            place = event.start_mark
            target = anchors.get(event.anchor)
            node = Node(_ALIAS, None, target, place.line + 1, place.column + 1)
            if target is None:
                raise _error(file, node, f"unknown anchor {event.anchor!r} referenced")
            # Before anything walks the tree: ten lines may stand for a billion nodes.
            node.size = target.size
            aliased += target.size
            if aliased > MAX_ALIASED:
                raise _error(file, node, "the aliases expand to too many nodes")
            stack[-1].size += target.size
        elif kind is yaml.DocumentEndEvent:
            if root is not None:
                yield root
            root = None
            anchors = {}
            aliased = 0
            continue
        elif kind is yaml.StreamEndEvent or event is None:
            return
        else:
            continue
        if kind is not alias_event and event.anchor is not None:
            anchors[event.anchor] = node
        if stack:
            stack[-1].content.append(node)
        else:
            root = node
        if node.kind in (_MAPPING, _SEQUENCE):
            stack.append(node)
        elif node.kind == _SCALAR and stack:
            stack[-1].size += 1


def _error(file: str, node: Node, message: str) -> LoadError:
    return LoadError(Diagnostic(message, mark=Mark(file, node.line, node.column)))


class _Reader:
    """Turns one document's nodes into a tree, counting what aliases expand to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.cleared: list[Path] = []
        self.nodes = 0
        self.aliased = 0
        self.inside_alias = 0
        self.open: list[Node] = []
        self.duplicates: list[Diagnostic] = []

    def strip_tags(self, node: Node, path: Path) -> Node | None:
        """Record and remove ``!reset`` nodes, record ``!override``; both may stand behind an alias or a merge key."""
        self._strip(node, path, 0)
        if node.tag == "!reset":
            return None
        return node

    def _strip(self, node: Node, path: Path, depth: int) -> bool:
        """Whether the node stays."""
        if "<<" in path[1:]:
            at = path.index("<<", 1)
            path = (*path[:at], *path[at + 1 :])
        if node.kind == _ALIAS:
            if node.content in self.open:
                raise _error(self.file, node, "an alias refers to a node that contains it")
            node = node.content
        if node.tag == "!reset":
            self.cleared.append(path)
            return False
        if node.tag == "!override":
            self.cleared.append(path)
            return True
        if node.kind == _SCALAR:
            return True
        self._count(node)
        self.open.append(node)
        if node.kind == _SEQUENCE:
            kept = [item for index, item in enumerate(node.content) if self._strip(item, (*path, index), depth + 1)]
            if len(kept) != len(node.content):
                node.content = kept
        else:
            content = node.content
            kept = []
            for index in range(0, len(content) - 1, 2):
                key, value = content[index], content[index + 1]
                name = key.content if key.kind == _SCALAR else ""
                if self._strip(value, (*path, name), depth + 1):
                    kept += (key, value)
            if len(kept) != len(content):
                node.content = kept
        self.open.pop()
        return True

    def _count(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _error(self.file, node, "the document expands to too many nodes")

    def value(self, node: Node, depth: int) -> Any:
        """The tree below ``node``."""
        if depth > MAX_DEPTH:
            raise _error(self.file, node, f"nested deeper than {MAX_DEPTH} levels")
        if node.kind == _ALIAS:
            self.inside_alias += 1
            value = self.value(node.content, depth)
            self.inside_alias -= 1
            return value
        if self.inside_alias:
            self.aliased += 1
            if self.aliased > MAX_ALIASED:
                raise _error(self.file, node, "the aliases expand to too many nodes")
        if node.kind == _SCALAR:
            return self.scalar(node)
        if node.kind == _SEQUENCE:
            items = Seq()
            file = self.file
            for item in node.content:
                items.append(self.value(item, depth + 1))
                items.places.append((file, item.line, item.column))
            return items
        result = Map((), (self.file, node.line, node.column))
        self.mapping(node, result, depth, None)
        return result

    def mapping(self, node: Node, out: Map, depth: int, taken: set[str] | None) -> None:
        """Fill ``out`` from a mapping node; keys in ``taken`` were set by a nearer layer and stay."""
        content = node.content
        merge: Node | None = None
        seen: dict[str, Node] = {}
        file = self.file
        for index in range(0, len(content), 2):
            key_node, value_node = content[index], content[index + 1]
            target = key_node.content if key_node.kind == _ALIAS else key_node
            name = target.content
            if target.kind != _SCALAR:
                raise _error(file, key_node, "a mapping key must be a string")
            if name in seen:
                raise LoadError(
                    Diagnostic(
                        f"mapping key {name!r} already defined at line {seen[name].line}",
                        mark=Mark(file, key_node.line, key_node.column),
                    )
                )
            seen[name] = key_node
            if name == "<<" and (target.tag == _MERGE if target.tag else target.plain):
                merge = value_node
                continue
            if target.plain or target.tag:
                resolved = self.scalar(target)
                if not isinstance(resolved, str):
                    raise _error(file, key_node, f"non-string key {name!r}: put it in quotes")
            if taken is not None:
                if name in taken:
                    continue
                taken.add(name)
            out[name] = self.value(value_node, depth + 1)
            out.places[name] = (file, key_node.line, key_node.column)
        if merge is not None:
            self.merge(merge, out, depth, set(seen) if taken is None else taken)

    def merge(self, node: Node, out: Map, depth: int, taken: set[str]) -> None:
        target = node.content if node.kind == _ALIAS else node
        sources = target.content if target.kind == _SEQUENCE else [target]
        for item in sources:
            source = item.content if item.kind == _ALIAS else item
            if source.kind != _MAPPING:
                raise _error(self.file, node, "map merge requires map or sequence of maps as the value")
            if depth > MAX_DEPTH:
                raise _error(self.file, node, f"nested deeper than {MAX_DEPTH} levels")
            self.inside_alias += 1
            self.mapping(source, out, depth + 1, taken)
            self.inside_alias -= 1

    def scalar(self, node: Node) -> Any:
        tag: str | None = node.tag
        if tag is None or tag == "!":
            if not node.plain or tag is not None:
                return node.content
            value = scalars.resolve(node.content)
            if type(value) is float and not math.isfinite(value):
                raise _error(
                    self.file, node, f"{node.content} is no number that a Compose file can hold; put it in quotes"
                )
            return value
        if tag == _STR:
            return node.content
        return self.tagged(node, tag.removeprefix("tag:yaml.org,2002:"))

    def tagged(self, node: Node, kind: str) -> Any:
        value = scalars.resolve(node.content)
        if kind == "binary":
            try:
                return base64.b64decode(node.content).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                raise _error(self.file, node, "!!binary value contains invalid base64 data") from None
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None), "timestamp": scalars.Timestamp}
        wanted = kinds.get(kind)
        if wanted is None:
            return node.content
        if isinstance(value, wanted) and not (kind == "int" and isinstance(value, bool)):
            return value
        raise _error(self.file, node, f"cannot decode {node.content!r} as a !!{kind}")
