"""The phases of loading, in order, and the one entry point that runs them.

    per document   yamltree → interpolate → extends → reset → include → merge → unique → schema → canonical → unique
    per project    defaults → conflicts → paths → environment → normalize → bind → profiles → consistency → env files

Each phase is a function from tree to tree in a module of its own; this one only strings them together and keeps what they
share (`Loader`). What a phase may assume is what the ones before it promise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from ..errors import Diagnostic, LoadError, Mark, OperationError, Path
from ..model import Marks, Project
from . import cache, canonical, check, merge, normalize, schema, source, yamltree
from .bind import bind
from .binder import plain
from .extends import apply_extends
from .include import apply_include
from .interpolate import Interpolation
from .jobs import renamed, split, take_in
from .layers import Layer, clear
from .paths import PathResolver
from .services import Resources, resolve_files, select, with_services
from .tree import Map, Placed, clone, fail, flatten_places, mark, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import LoadOptions
    from ..model.values import Json
    from .tree import Place


@dataclass(slots=True)
class Loader:
    """What the phases of one load share."""

    files: source.Files
    environment: source.Environment
    home: str
    base: str = "/"
    """The directory that relative names of files are looked for in."""
    interpolate: bool = True
    validate: bool = True
    warnings: list[Diagnostic] = field(default_factory=list)
    unset: dict[str, Place | None] = field(default_factory=dict)
    obsolete: set[str] = field(default_factory=set)
    part: bool = False
    """Whether this loads a model that another one includes."""
    jobs: set[str] = field(default_factory=set)
    """Names among the services that are jobs'; shared with included models."""
    observe: Callable[[Layer], None] | None = None
    templates: dict[Place, str] = field(default_factory=dict)
    """What stood in the file where substitution changed something; kept only when observed."""
    parsed: dict[str, list[yamltree.Document]] = field(default_factory=dict)
    """Documents that were parsed already, each to be used once."""

    def read(self, file: str) -> bytes:
        """The content of a Compose file, with a `LoadError` for one that cannot be read."""
        try:
            return self.files.read(file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise LoadError(Diagnostic(f"open {file}: {reason.lower()}")) from None

    def local(self, name: str, path: Path, place: Place | None) -> str:
        """The absolute path of another Compose file that one names, fetched where it is elsewhere."""
        try:
            return self.files.local(name, self.base, self.environment)
        except OperationError as error:
            raise fail(str(error), path, place) from None

    def child(self, environment: source.Environment, base: str) -> Loader:
        """A loader for a model that this one includes, with a directory and variables of its own."""
        return replace(self, environment=environment, base=base, part=True)

    def load_file(
        self,
        file: str,
        base: Map,
        *,
        included: tuple[str, ...] = (),
        nested: str = "",
    ) -> tuple[Map, tuple[Path, ...]]:
        """``base`` with every document of ``file`` merged over it, canonical; and the paths its last document clears.

        ``nested`` is "extends" when the file is only the home of a base service: then it is neither validated nor are its
        own ``extends`` and ``include`` followed here.
        """
        cleared: tuple[Path, ...] = ()
        for document in self.parsed.pop(file, None) or yamltree.parse(self.read(file), file):
            tree = document.tree
            if not isinstance(tree, Map):
                place = Mark(file, 1, 1)
                raise LoadError(Diagnostic("top-level object must be a mapping", mark=place))
            take_in(tree, base, self.jobs)
            if self.interpolate:
                tree = self.substitute(tree)
            own = clone(tree) if self.observe is not None else None
            cleared = tuple(("services", *path[1:]) if path[:1] == ("jobs",) else path for path in document.cleared)
            if nested != "extends":
                apply_extends(self, tree, file, cleared)
                if self.observe is not None:
                    self.observe(Layer("included" if self.part else "file", file, own))
            clear(base, cleared)
            if nested != "extends":
                apply_include(self, tree, (*included, file))
            base = self.merged(base, tree, file, nested)
            if nested != "extends" and self.validate:
                schema.check(base, file)
                if "version" in base:
                    self.warn_version(base, file)
                    del base["version"]
            run = canonical.Canonical(lenient=not self.interpolate)
            base = run.apply(base)
            self.warnings += run.warnings
            canonical.drop_empty(base)
            base = merge.unique(base)
        return base, cleared

    def merged(self, base: Map, tree: Map, file: str, nested: str) -> Map:
        base = merge.merge(base, tree)
        try:
            return merge.unique(base)
        except LoadError:
            # The schema says more about a value of the wrong type than the first list that stumbles over it.
            if nested != "extends" and self.validate:
                schema.check(base, file)
            raise

    def substitute(self, tree: Map) -> Map:
        run = Interpolation(self.environment, self.templates.__setitem__ if self.observe is not None else None)
        result = run.apply(tree)
        for name, (path, place) in run.unset.items():
            if name not in self.unset:
                self.unset[name] = place
                message = f'The "{name}" variable is not set. Defaulting to a blank string.'
                self.warnings.append(Diagnostic(message, path, mark(place)))
        return result

    def warn_version(self, tree: Map, file: str) -> None:
        if file not in self.obsolete:
            self.obsolete.add(file)
            message = (
                "the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion"
            )
            self.warnings.append(Diagnostic(message, mark=mark(tree.places.get("version"))))

    def load_model(
        self, names: tuple[str, ...], directory: str, *, resolve_paths: bool = True, included: tuple[str, ...] = ()
    ) -> Map:
        """The merged, canonical tree of several files, with defaults and with paths against ``directory``."""
        tree = Map()
        for name in names:
            tree, _ = self.load_file(name, tree, included=included)
        canonical.defaults(tree)
        if self.validate:
            check.exclusive(tree)
        if resolve_paths:
            PathResolver(directory, self.home, self.files.links).resolve(tree)
        normalize.resolve_environment(tree, self.environment if self.interpolate else {})
        return tree


def open_loader(options: LoadOptions, texts: Mapping[str, bytes] | None = None) -> tuple[Loader, source.Source]:
    """A loader for ``options``, and what it is to load. ``texts`` stand for what is in these files (absolute paths), as an
    editor holds them."""
    files = source.Files(options.stdin, dict(texts or {}))
    found = source.locate(options, files)
    home = options.environment.get("HOME", "") or os.path.expanduser("~")
    loader = Loader(
        files, found.environment, home, found.directory, interpolate=options.interpolate, warnings=list(found.warnings)
    )
    found.environment["COMPOSE_PROJECT_NAME"] = project_name(loader, found)
    return loader, found


def project_name(loader: Loader, found: source.Source) -> str:
    """The project's name; raises `LoadError` when none can be made."""
    if found.name:
        return found.name
    declared, place = "", None
    for file in found.files:
        documents = list(yamltree.parse(loader.read(file), file))
        loader.parsed[file] = documents
        for document in documents:
            tree = document.tree
            value = tree.get("name") if isinstance(tree, Map) else None
            if isinstance(value, str) and value:
                declared, place = value, places_in(tree).get("name")
    name = ""
    if declared:
        holder = Map()
        holder.put("name", declared, place)
        interpolated = loader.substitute(holder)["name"] if loader.interpolate else declared
        name = source.normalize_name(str(interpolated))
    if not name and not declared:
        name = source.normalize_name(os.path.basename(found.directory))
    if not name:
        raise LoadError(Diagnostic("project name must not be empty", mark=mark(place), hint="use --project-name"))
    return name


def load_model(options: LoadOptions) -> Map:
    """The canonical tree before it is bound to types: what ``config --no-interpolate`` prints."""
    loader, found = open_loader(options)
    return _model(loader, found, options)


def _model(loader: Loader, found: source.Source, options: LoadOptions) -> Map:
    tree = loader.load_model(found.files, found.directory, resolve_paths=options.resolve_paths)
    if not tree:
        raise LoadError(Diagnostic("empty compose file", mark=Mark(found.files[0], 1, 1)))
    if options.normalize:
        normalize.normalize(
            tree, found.environment["COMPOSE_PROJECT_NAME"], loader.environment if loader.interpolate else {}
        )
    return tree


def load_project(options: LoadOptions, *, keep: bool = False, texts: Mapping[str, bytes] | None = None) -> Project:
    """Load, merge, normalise and check the Compose files that ``options`` name; with ``keep``, remember the result. ``texts``
    are as in `open_loader`.

    Raises `LoadError` with every diagnostic found, and `UsageError` when the options contradict each other.
    """
    loader, found = open_loader(options, texts)
    try:
        return _loaded(loader, found, options, keep=keep)
    except LoadError as error:
        raise renamed(error, loader.jobs) if loader.jobs else error from None


def _loaded(loader: Loader, found: source.Source, options: LoadOptions, *, keep: bool) -> Project:
    tree = _model(loader, found, options)
    name = found.environment["COMPOSE_PROJECT_NAME"]
    loader.warnings += check.warnings(tree)
    bound, errors = bind(tree)
    if errors:
        raise LoadError(errors)
    chosen, others = select(bound.services, found.profiles)
    services, every_job = split(bound.services, loader.jobs)
    if options.consistency:
        check.consistency(bound, chosen, others)
    active, jobs = split(chosen, loader.jobs)
    disabled, disabled_jobs = split(others, loader.jobs)
    environment = loader.environment if options.resolve_environment else None
    resolve_files(chosen, loader.files, environment, loader.warnings)
    resources = Resources(bound.networks, bound.volumes, bound.configs, bound.secrets, bound.models)
    if not (options.all_resources or options.services):
        resources = resources.used_by(chosen.values())
    sections = {
        "services": services,
        "jobs": every_job,
        "networks": bound.networks,
        "volumes": bound.volumes,
        "configs": bound.configs,
        "secrets": bound.secrets,
        "models": bound.models,
        **{key: tree[key] for key in tree if key.startswith("x-")},
    }
    project = Project(
        name=name,
        directory=FilePath(found.directory),
        files=found.files,
        services=active,
        disabled_services=disabled,
        jobs=jobs,
        disabled_jobs=disabled_jobs,
        extensions={key: cast("Json", plain(tree[key])) for key in sorted(tree) if key.startswith("x-")},
        environment=MappingProxyType(dict(loader.environment)),
        profiles=tuple(profile for profile in found.profiles if profile),
        marks=Marks(lambda: dict(flatten_places(Placed({key: value for key, value in sections.items() if value})))),
        warnings=tuple(loader.warnings),
        **resources._asdict(),
    )
    project = with_services(project, options.services)
    if keep and not loader.files.fetched:
        files = loader.files
        cache.remember(options, project, files.read_files, files.absent, loader.environment.used, files.links)
    return project
