"""Where a value of the model comes from: every layer that set it, the one that won, and the variables that went into it.

Loads the project once more, watching the phases; takes a key path as users write it. Secrets are masked here, so that no
caller can forget to. It prints nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import Diagnostic, LoadError, Mark, Path, dotted
from . import canonical, dotenv, pipeline
from .binder import plain
from .interpolate import variables
from .scalars import text
from .suggest import nearest
from .tree import Map, Place, Seq, list_at, mark, place_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..model import LoadOptions, Project
    from .layers import Layer
    from .source import Source
    from .tree import Node

T = TypeVar("T")

MASK = "********"
_SECRET = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """A variable that went into a value: ``source`` is shell, a place in an env file, default, or unset."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One layer that set the value. ``template`` is what the file says, where that differs from ``value``."""

    kind: str
    place: Mark | None
    value: Node
    template: str = ""
    variables: tuple[Origin, ...] = ()
    wins: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """``value`` is what the project holds in the end; ``settings`` are in the order in which they were laid over each other."""

    path: Path
    value: Node
    settings: tuple[Setting, ...]


class NoSuchKey(LoadError):
    """The question makes no sense; the files may well."""

    exit_code = 1


def parse_path(written: str) -> Path:
    """A key path such as ``services.web.ports[0]`` or ``services.web.labels["a.b"]``."""
    parts: list[str | int] = []
    at = 0
    pattern = re.compile(r'\[(\d+)\]|\["([^"]*)"\]|\.?([^.\[\]]+)')
    while at < len(written):
        found = pattern.match(written, at)
        if found is None:
            raise NoSuchKey(f"{written!r} is no key path; write it as services.web.ports[0]")
        index, quoted, plain_part = found.groups()
        parts.append(int(index) if index is not None else quoted if quoted is not None else plain_part)
        at = found.end()
    if not parts:
        raise NoSuchKey("which key? Write a path such as services.web.image")
    return tuple(parts)


def explain(options: LoadOptions, written: str | Path, texts: Mapping[str, bytes] | None = None) -> Explanation:
    """Explain the value at ``written``; raises `LoadError` when no layer ever sets it. ``texts`` are as in `open_loader`."""
    path = parse_path(written) if isinstance(written, str) else written
    if len(path) > 1 and path[0] == "services":
        options = replace(options, profiles=("*",))
    options = replace(options, services=(), all_resources=True)
    loader, found = pipeline.open_loader(options, texts)
    layers: list[Layer] = []
    loader.observe = layers.append
    loader.parsed.clear()
    tree = loader.load_model(found.files, found.directory)
    project = pipeline.load_project(options, texts=texts)
    value, final = _final(project, path)
    teller = _Teller(loader, found, path)
    settings = [setting for layer in layers for setting in teller.layer(layer)]
    settings = [*teller.env_files(tree), *settings]
    if not settings and isinstance(value, _Absent):
        raise NoSuchKey(Diagnostic(f"nothing sets {dotted(path)}", hint=_suggestion(project, path)))
    winner = _winner(settings, final)
    told = [replace(setting, wins=index == winner) for index, setting in enumerate(settings)]
    shown = None if isinstance(value, _Absent) else mask(path, value)
    if not told:
        told = [Setting("default", None, shown, wins=True)]
    return Explanation(path, shown, tuple(told))


class _Absent:
    """What stands where nothing is: None is a value."""


_ABSENT = _Absent()


def _final(project: Project, path: Path) -> tuple[Node | _Absent, Place | None]:
    top = {
        "services": project.services,
        "networks": project.networks,
        "volumes": project.volumes,
        "configs": project.configs,
        "secrets": project.secrets,
        "models": project.models,
    }
    value = _at({"name": project.name, **top, **project.extensions}, path)
    return value, None if isinstance(value, _Absent) else place_at(top, _indices(top, path))


def _at(tree: object, path: Path) -> Node | _Absent:
    """The value at ``path``, where a list's entry may be named by what it begins with."""
    value = tree
    for part in path:
        value = _step(value, part)
    return value if isinstance(value, _Absent) else plain(cast("Node", value))


def _indices(value: object, path: Path) -> Path:
    """The path with list entries by position."""
    out: list[str | int] = []
    for part in path:
        if isinstance(value, list) and isinstance(part, str):
            index = _index(value, part)
            if index is None:
                break
            out.append(index)
            value = value[index]
            continue
        value = _step(value, part)
        if isinstance(value, _Absent):
            break
        out.append(part)
    return tuple(out)


def _index(items: list[object], part: str) -> int | None:
    for index, item in enumerate(items):
        if isinstance(item, str) and (item == part or item.startswith(f"{part}=")):
            return index
        if isinstance(item, dict) and any(
            text(item[key]) == part for key in ("target", "source", "path") if key in item
        ):
            return index
    return None


def _step(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part, _ABSENT) if isinstance(part, str) else _ABSENT
    if isinstance(value, list):
        if isinstance(part, int):
            return value[part] if part < len(value) else _ABSENT
        index = _index(value, part)
        if index is None:
            return _ABSENT
        item = value[index]
        if isinstance(item, str):
            _, separator, rest = item.partition("=")
            return rest if separator else None
        return item
    return _ABSENT


def _winner(settings: list[Setting], final: Place | None) -> int:
    for index in range(len(settings) - 1, -1, -1):
        place = settings[index].place
        if final is not None and place is not None and (place.file, place.line, place.column) == final:
            return index
    files = [index for index, setting in enumerate(settings) if setting.kind != "env_file"]
    return files[-1] if files else len(settings) - 1


def _suggestion(project: Project, path: Path) -> str:
    if len(path) > 1 and path[0] == "services" and path[1] not in project.services:
        return nearest(str(path[1]), project.services)
    if path and str(path[0]) in project.services:
        return f"did you mean {dotted(('services', *path))}?"
    return "unset keys take the default of the image or the engine"


def mask(path: Path, value: T) -> T:
    """``value`` with everything hidden that its name says is secret."""
    return cast("T", _masked(path, value))


def _masked(path: Path, value: object) -> object:
    if any(isinstance(part, str) and _SECRET.search(part) for part in path[2:]) or (
        path[:1] == ("secrets",) and path[-1] == "content"
    ):
        return MASK if value not in (None, "") and not isinstance(value, (dict, list)) else value
    if isinstance(value, dict):
        return Map({key: cast("Node", _masked((*path, key), item)) for key, item in value.items()})
    if isinstance(value, list):
        return Seq([cast("Node", _mask_item(path, index, item)) for index, item in enumerate(value)])
    return value


def _mask_item(path: Path, index: int, item: object) -> object:
    if isinstance(item, str):
        name, separator, rest = item.partition("=")
        return f"{name}={MASK}" if separator and rest and _SECRET.search(name) else item
    return _masked((*path, index), item)


class _Teller:
    def __init__(self, loader: pipeline.Loader, found: Source, path: Path) -> None:
        self.loader = loader
        self.found = found
        self.path = path

    def layer(self, layer: Layer) -> Iterator[Setting]:
        tree = layer.tree
        if not isinstance(tree, Map):
            return
        try:
            tree = canonical.Canonical(lenient=True).apply(tree)
        except LoadError:
            return
        value = _at(tree, self.path)
        if isinstance(value, _Absent):
            return
        place = place_at(tree, _indices(tree, self.path))
        template = self.loader.templates.get(place, "") if place is not None else ""
        names = self.origins(template)
        if not template and value is None and "environment" in self.path[2:3]:
            names = (self.origin(str(self.path[-1]), ""),)
        yield Setting(layer.kind, mark(place), mask(self.path, value), self._template(template), names)

    def _template(self, template: str) -> str:
        name, separator, rest = template.partition("=")
        if separator and _SECRET.search(name) and "$" not in rest:
            return f"{name}={MASK}"
        return re.sub(r"(:?[-+])[^}]*\}", rf"\1{MASK}}}", template) if _is_secret_path(self.path) else template

    def origins(self, template: str) -> tuple[Origin, ...]:
        return tuple(self.origin(name, one.default) for name, one in variables(template).items() if name)

    def origin(self, name: str, default: str) -> Origin:
        value = self.loader.environment.get(name)
        source = self.found.origins.get(name, "")
        if value is None:
            value, source = default, "default" if default else "unset"
        elif name == "COMPOSE_PROJECT_NAME":
            source = "project name"
        elif name in self.found.shell:
            source = "shell"
        hidden = bool(_SECRET.search(name)) or _is_secret_path(self.path)
        return Origin(name, MASK if hidden and value else value, source)

    def env_files(self, tree: Map) -> Iterator[Setting]:
        """What the service's env files say about one of its variables."""
        if len(self.path) != 4 or self.path[0] != "services" or self.path[2] != "environment":
            return
        known: dict[str, str] = {}
        for entry in list_at(tree, "services", str(self.path[1]), "env_file") or ():
            name = entry.get("path") if isinstance(entry, Map) else None
            if not isinstance(name, str) or not self.loader.files.exists(name):
                continue
            content = self.loader.files.read(name).decode("utf-8", "replace")
            yield from self._lines(name, content, known, self.loader.environment)

    def _lines(
        self, name: str, content: str, known: dict[str, str], environment: Mapping[str, str]
    ) -> Iterator[Setting]:
        lines = content.split("\n")

        def lookup(variable: str) -> str | None:
            found = known.get(variable)
            return found if found is not None else environment.get(variable)

        for key, value, line in dotenv.entries(content, lookup):
            if key == self.path[-1]:
                written = lines[line - 1].partition("=")[2].strip() if line <= len(lines) else ""
                template = written if "$" in written else ""
                shown = mask(self.path, value)
                names = tuple(self._read_before(one, known, name) for one in self.origins(template))
                yield Setting("env_file", Mark(name, line, 1), shown, self._template(template), names)
            known[key] = value

    def _read_before(self, origin: Origin, known: dict[str, str], name: str) -> Origin:
        """A variable that the env file itself set on an earlier line."""
        if origin.name not in known:
            return origin
        hidden = bool(_SECRET.search(origin.name)) or _is_secret_path(self.path)
        return Origin(origin.name, MASK if hidden else known[origin.name], name)


def _is_secret_path(path: Path) -> bool:
    return any(isinstance(part, str) and _SECRET.search(part) is not None for part in path[2:])
