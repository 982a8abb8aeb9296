"""From the command line to a cluster: which target, and how it is reached."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....deploy.target import KINDS, SWARM, Target, find_target
from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from ....client import Engine
    from ....deploy.backend import Backend
    from ....model import Project

DOCKER_SOCKET = "unix:///var/run/docker.sock"


def target_of(session: Session, word: str, context: str = "") -> Target:
    """The target that ``word`` names; the file is only read for one that it declares."""
    kind, _, named = word.partition(":")
    if kind in KINDS and not context and named:
        return Target(kind, named)
    if kind in KINDS and not session.identity.files:
        return Target(kind, context or named)
    return find_target(session.project, word, context)


def open_backend(session: Session, target: Target) -> Backend:
    if target.kind == SWARM:
        from ....deploy.swarm.backend import SwarmBackend
        from ....deploy.swarm.nodes import Nodes

        engine = swarm_engine(session, target.context)
        addresses = {**target.nodes, **node_addresses(session.args)}
        return SwarmBackend(engine, session.name, target, Nodes(engine, addresses, os.environ, os.geteuid()))
    from ....deploy.kubernetes.backend import open_kubernetes

    return open_kubernetes(session.name, target, os.environ)


def for_verb(args: Namespace) -> tuple[Session, Backend]:
    """What a verb with ``--to`` works on."""
    session = Session(args)
    return session, open_backend(session, target_of(session, args.to))


def ask_users(session: Session, project: Project, backend: Backend, *, is_built: bool) -> None:
    """Tell the target the numbers of users by name. What is still to be built has none yet, and is asked again when it is."""
    from ....deploy.users import look_up_users, named_users

    names = named_users(project)
    if names:
        unbuilt = {} if is_built else {name: (0, 0) for name in names if project.services[name].get("build")}
        backend.users = {**unbuilt, **look_up_users(session.engine, project, names)}


def ask_images(session: Session, project: Project, backend: Backend, *, is_built: bool) -> None:
    """Tell the target what only images know: users, and the health checks of what is built here."""
    from ....deploy.checks import built_checks

    ask_users(session, project, backend, is_built=is_built)
    if any(tree.get("build") for tree in project.services.values()):
        backend.checks = built_checks(session.engine, project)


def node_addresses(args: Namespace) -> dict[str, str]:
    found = {}
    for item in getattr(args, "node", None) or ():
        name, equals, host = item.partition("=")
        if not equals or not name or not host:
            raise FlagError(f'--node: "{item}" is not NAME=HOST')
        found[name] = host
    return found


def swarm_engine(session: Session, context: str) -> Engine:
    """A manager: ``context`` (a Docker context or an address), else the engine that -H and the environment choose, else Docker's own."""
    from ....client import Engine, choose

    environment: Mapping[str, str] = os.environ
    uid = os.geteuid()
    if context and ("://" in context or context.startswith("/")):
        return Engine(choose(environment, uid, host=context))
    if context and context != "default":
        kept = {key: value for key, value in environment.items() if not key.startswith(("PYCOMPOSE_", "DOCKER_HOST"))}
        return Engine(choose({**kept, "DOCKER_CONTEXT": context}, uid))
    chosen = choose(environment, uid, session.args.host)
    if context == "default" or chosen.own:
        return Engine(choose({}, uid, host=DOCKER_SOCKET))
    return Engine(chosen)
