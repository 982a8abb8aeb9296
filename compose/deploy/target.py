"""Which cluster a command means: ``--to`` and the file's x-deploy.

x-deploy:
  production:
    to: swarm                  # or kubernetes
    context: prod              # a Docker context, an engine's address, or a context of the kubeconfig
    registry: registry.example.com/team
    namespace: shop            # Kubernetes; the project's name without it
    allow-binds: true          # every node has the paths that bind mounts name
    nodes: {n2: "ssh://root@n2"}   # Swarm: engines of nodes, for exec, top and down -v
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass, field
from ..errors import Diagnostic, LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project
    from ..model.values import Json

SWARM, KUBERNETES = "swarm", "kubernetes"
KINDS = (SWARM, KUBERNETES)
SECTION = "x-deploy"
_KEYS = ("to", "context", "registry", "namespace", "allow-binds", "nodes")


@dataclass(frozen=True, slots=True)
class Target:
    """``context`` is empty for the one that is current; ``nodes`` are addresses of engines by host name of their node."""

    kind: str
    context: str = ""
    registry: str = ""
    namespace: str = ""
    allow_binds: bool = False
    force: bool = False
    """Kubernetes: take fields over that other managers own."""
    nodes: Mapping[str, str] = field(default_factory=dict)


def find_target(project: Project, word: str, context: str = "") -> Target:
    """The target that ``--to`` names: a kind, ``KIND:CONTEXT``, or a name in the file's x-deploy. Without a word the only one there.
    Raises `UsageError` and, for a section that makes no sense, `LoadError`."""
    section = project.extensions.get(SECTION)
    if isinstance(section, dict) and word in section:
        return _with_context(_target(project, word, section[word]), context)
    kind, _, named = word.partition(":")
    if kind in KINDS:
        return Target(kind, context or named)
    if section is not None and not isinstance(section, dict):
        raise _wrong(project, (SECTION,), "must be a mapping of targets")
    declared = declared_targets(project)
    if not word and len(declared) == 1:
        return _with_context(next(iter(declared.values())), context)
    known = ", ".join([*KINDS, *declared])
    if not word:
        raise UsageError(f"say where to with --to: {known}")
    raise UsageError(f"unknown target {word!r}: one of {known}")


def _with_context(target: Target, context: str) -> Target:
    from dataclasses import replace

    return replace(target, context=context) if context else target


def declared_targets(project: Project) -> dict[str, Target]:
    """The targets of x-deploy by name: what says where ``to``. Files also keep a fragment for their services there."""
    section = project.extensions.get(SECTION)
    targets = section.items() if isinstance(section, dict) else ()
    return {
        str(name): _target(project, str(name), tree)
        for name, tree in targets
        if isinstance(tree, dict) and "to" in tree
    }


def _target(project: Project, name: str, tree: Json) -> Target:
    path = (SECTION, name)
    if not isinstance(tree, dict):
        raise _wrong(project, path, "must be a mapping with `to`")
    for key in tree:
        if key not in _KEYS:
            raise _wrong(project, (*path, str(key)), f"unknown key; {', '.join(_KEYS)} are known")
    if tree.get("to") not in KINDS:
        raise _wrong(project, (*path, "to"), f"must be one of {', '.join(KINDS)}")
    for key in ("context", "registry", "namespace"):
        if not isinstance(tree.get(key, ""), str):
            raise _wrong(project, (*path, key), "must be a string")
    nodes = tree.get("nodes") or {}
    if not isinstance(nodes, dict):
        raise _wrong(project, (*path, "nodes"), "must map host names of nodes to addresses of their engines")
    return Target(
        kind=str(tree["to"]),
        context=str(tree.get("context", "")),
        registry=str(tree.get("registry", "")),
        namespace=str(tree.get("namespace", "")),
        allow_binds=bool(tree.get("allow-binds")),
        nodes={str(key): str(value) for key, value in nodes.items()},
    )


def _wrong(project: Project, path: tuple[str | int, ...], message: str) -> LoadError:
    return LoadError(Diagnostic(message, path, project.mark(*path)))
