"""YAML text to trees with places: anchors, aliases, merge keys, duplicate keys, ``!reset`` and ``!override``.

The C parser yields events; this module builds the tree itself, so that every key keeps its line and column, nesting and
alias expansion stay bounded, and scalars follow `scalars` rather than PyYAML's YAML 1.1. It knows no Compose key.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..errors import Diagnostic, LoadError, Mark, Path
from . import scalars
from .tree import Map, Seq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import yaml

    from .scalars import Scalar
    from .tree import Node

MAX_DEPTH = 128
"""Nesting beyond this is refused: no real file comes near, and later phases recurse."""
MAX_NODES = 2_000_000
"""Nodes in one document after aliases are expanded."""
MAX_ALIASED = 400_000
"""Nodes that may come from expanding aliases."""

_SCALAR, _SEQUENCE, _MAPPING, _ALIAS = range(4)
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


_NO_ITEMS: list[YamlNode] = []
"""Of every scalar, since a large file has tens of thousands."""


class YamlNode:
    """One YAML node: the ``text`` of a scalar, the ``items`` of a sequence, or of a mapping its keys and values in turn, the
    ``target`` that an alias means. ``size`` is the number of nodes that it stands for once aliases are expanded."""

    __slots__ = ("column", "items", "kind", "line", "plain", "size", "tag", "target", "text")

    def __init__(self, kind: int, tag: str | None, mark: yaml.Mark, text: str = "", plain: bool = True) -> None:
        self.kind = kind
        self.tag = tag
        self.line = mark.line + 1
        self.column = mark.column + 1
        self.plain = plain
        self.text = text
        self.items: list[YamlNode] = [] if kind in (_SEQUENCE, _MAPPING) else _NO_ITEMS
        self.target: YamlNode | None = None
        self.size = 1

    def meant(self) -> YamlNode:
        """The node itself, or the one that an alias stands for."""
        return self.target or self


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its tree and the key paths that ``!reset`` or ``!override`` clears in what came before."""

    tree: Node
    cleared: tuple[Path, ...]


def parse(content: str | bytes, file: str) -> Iterator[Document]:
    """The documents in ``content``; raises `LoadError` with a place for anything that is not sound YAML."""
    for root in _compose(content, file):
        reader = _Reader(file)
        root_node = reader.strip_tags(root, ())
        tree = reader.value(root_node, 0) if root_node is not None else None
        yield Document(tree, tuple(reader.cleared))


def _compose(content: str | bytes, file: str) -> Iterator[YamlNode]:
    import yaml

    try:
        parser = yaml.cyaml.CParser(content)  # type: ignore[attr-defined]
        try:
            yield from _documents(parser.get_event, file)
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


def _documents(get_event: Callable[[], yaml.Event | None], file: str) -> Iterator[YamlNode]:
    from yaml import AliasEvent, DocumentEndEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent, StreamEndEvent
    from yaml.events import CollectionEndEvent

    composer = _Composer(file)
    while True:
        event = get_event()
        if isinstance(event, ScalarEvent):
            composer.scalar(event)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            composer.open(event, _MAPPING if isinstance(event, MappingStartEvent) else _SEQUENCE)
        elif isinstance(event, CollectionEndEvent):
            composer.close()
        elif isinstance(event, AliasEvent):
            composer.alias(event)
        elif isinstance(event, DocumentEndEvent):
            if composer.root is not None:
                yield composer.root
            composer = _Composer(file)
        elif event is None or isinstance(event, StreamEndEvent):
            return


class _Composer:
    """Makes one document's nodes of events, and counts what its aliases stand for."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: YamlNode | None = None
        self.anchors: dict[str, YamlNode] = {}
        self.stack: list[YamlNode] = []
        self.aliased = 0

    def scalar(self, event: yaml.ScalarEvent) -> None:
        node = YamlNode(_SCALAR, event.tag, _start(event), event.value, event.implicit[0] and not event.style)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        if self.stack:
            above = self.stack[-1]
            above.items.append(node)
            above.size += 1
        else:
            self.root = node

    def open(self, event: yaml.CollectionStartEvent, kind: int) -> None:
        node = YamlNode(kind, event.tag, _start(event))
        if len(self.stack) >= MAX_DEPTH:
            raise _error(self.file, node, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        if self.stack:
            self.stack[-1].items.append(node)
        else:
            self.root = node
        self.stack.append(node)

    def close(self) -> None:
        ended = self.stack.pop()
        if self.stack:
            self.stack[-1].size += ended.size

    def alias(self, event: yaml.AliasEvent) -> None:
        node = YamlNode(_ALIAS, None, _start(event))
        target = self.anchors.get(event.anchor or "")
        if target is None:
            raise _error(self.file, node, f"unknown anchor {event.anchor!r} referenced")
        node.target = target
        # Before anything walks the tree: ten lines may stand for a billion nodes.
        node.size = target.size
        self.aliased += target.size
        if self.aliased > MAX_ALIASED:
            raise _error(self.file, node, "the aliases expand to too many nodes")
        self.stack[-1].items.append(node)
        self.stack[-1].size += target.size


def _start(event: yaml.Event) -> yaml.Mark:
    return cast("yaml.Mark", event.start_mark)  # the C parser marks every event


def _error(file: str, node: YamlNode, message: str) -> LoadError:
    return LoadError(Diagnostic(message, mark=Mark(file, node.line, node.column)))


class _Reader:
    """Turns one document's nodes into a tree, counting what aliases expand to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.cleared: list[Path] = []
        self.nodes = 0
        self.aliased = 0
        self.inside_alias = 0
        self.open: list[YamlNode] = []
        self.duplicates: list[Diagnostic] = []

    def strip_tags(self, node: YamlNode, path: Path) -> YamlNode | None:
        """Record and remove ``!reset`` nodes, record ``!override``; both may stand behind an alias or a merge key."""
        self._strip(node, path, 0)
        if node.tag == "!reset":
            return None
        return node

    def _strip(self, node: YamlNode, path: Path, depth: int) -> bool:
        """Whether the node stays."""
        if "<<" in path[1:]:
            at = path.index("<<", 1)
            path = (*path[:at], *path[at + 1 :])
        if node.kind == _ALIAS:
            if node.target in self.open:
                raise _error(self.file, node, "an alias refers to a node that contains it")
            node = node.meant()
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
            node.items = [item for index, item in enumerate(node.items) if self._strip(item, (*path, index), depth + 1)]
        else:
            content = node.items
            kept: list[YamlNode] = []
            for index in range(0, len(content) - 1, 2):
                key, value = content[index], content[index + 1]
                name = key.text
                if self._strip(value, (*path, name), depth + 1):
                    kept += (key, value)
            node.items = kept
        self.open.pop()
        return True

    def _count(self, node: YamlNode) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _error(self.file, node, "the document expands to too many nodes")

    def value(self, node: YamlNode, depth: int) -> Node:
        """The tree below ``node``."""
        if depth > MAX_DEPTH:
            raise _error(self.file, node, f"nested deeper than {MAX_DEPTH} levels")
        if node.kind == _ALIAS:
            self.inside_alias += 1
            value = self.value(node.meant(), depth)
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
            for item in node.items:
                items.append(self.value(item, depth + 1))
                items.places.append((file, item.line, item.column))
            return items
        result = Map((), (self.file, node.line, node.column))
        self.mapping(node, result, depth, None)
        return result

    def mapping(self, node: YamlNode, out: Map, depth: int, taken: set[str] | None) -> None:
        """Fill ``out`` from a mapping node; keys in ``taken`` were set by a nearer layer and stay."""
        content = node.items
        merge: YamlNode | None = None
        seen: dict[str, YamlNode] = {}
        file = self.file
        for index in range(0, len(content), 2):
            key_node, value_node = content[index], content[index + 1]
            target = key_node.meant()
            name = target.text
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

    def merge(self, node: YamlNode, out: Map, depth: int, taken: set[str]) -> None:
        target = node.meant()
        sources = target.items if target.kind == _SEQUENCE else [target]
        for item in sources:
            source = item.meant()
            if source.kind != _MAPPING:
                raise _error(self.file, node, "map merge requires map or sequence of maps as the value")
            if depth > MAX_DEPTH:
                raise _error(self.file, node, f"nested deeper than {MAX_DEPTH} levels")
            self.inside_alias += 1
            self.mapping(source, out, depth + 1, taken)
            self.inside_alias -= 1

    def scalar(self, node: YamlNode) -> Scalar:
        tag: str | None = node.tag
        if tag is None or tag == "!":
            if not node.plain or tag is not None:
                return node.text
            value = scalars.resolve(node.text)
            if type(value) is float and not math.isfinite(value):
                raise _error(
                    self.file, node, f"{node.text} is no number that a Compose file can hold; put it in quotes"
                )
            return value
        if tag == _STR:
            return node.text
        return self.tagged(node, tag.removeprefix("tag:yaml.org,2002:"))

    def tagged(self, node: YamlNode, kind: str) -> Scalar:
        value = scalars.resolve(node.text)
        if kind == "binary":
            try:
                return base64.b64decode(node.text).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                raise _error(self.file, node, "!!binary value contains invalid base64 data") from None
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None), "timestamp": scalars.Timestamp}
        wanted = kinds.get(kind)
        if wanted is None:
            return node.text
        if isinstance(value, wanted) and not (kind == "int" and isinstance(value, bool)):
            return value
        raise _error(self.file, node, f"cannot decode {node.text!r} as a !!{kind}")
