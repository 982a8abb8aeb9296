"""`pycompose __complete WORDS…`: what the last word may become, one candidate per line, with a tab and a description.

Called by the shells' scripts on every press of the tab key: starts no engine, loads no model, and keeps quiet about
whatever goes wrong. ``:files`` asks the shell for file names.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import ComposeError
from .flags.parser import FlagError, Parser
from .table import ALIASES, COMPOSE, GROUPS, PLAIN

if TYPE_CHECKING:
    from argparse import Action, Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from ..app.identity import Identity
    from ..client import Engine

FILES = ":files"
_GLOBAL_FILES = ("-f", "--file", "--env-file", "--project-directory", "--root")
_FIXED = {
    "--ansi": ("never", "always", "auto"),
    "--progress": ("auto", "tty", "plain", "json", "quiet"),
    "--pull": ("always", "missing", "never"),
    "--restart": ("no", "on-failure", "always", "unless-stopped"),
    "--format": ("table", "json"),
    "--log-driver": ("json-file", "local", "none", "syslog"),
    "--signal": ("SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM", "SIGUSR1", "SIGUSR2"),
    "--rmi": ("all", "local"),
    "--status": ("paused", "restarting", "removing", "running", "dead", "created", "exited"),
}
_FILE_OPTIONS = ("--env-file", "--label-file", "--cidfile", "--iidfile", "--file", "--output", "--input", "--volume")
_ANY, _RUNNING, _STOPPED, _PAUSED = (), ("running", "paused"), ("created", "exited"), ("paused",)
_STATES: dict[str, tuple[str, ...]] = {
    "attach": _RUNNING,
    "exec": _RUNNING,
    "kill": _RUNNING,
    "pause": ("running",),
    "start": _STOPPED,
    "stats": _RUNNING,
    "stop": _RUNNING,
    "top": _RUNNING,
    "unpause": _PAUSED,
}


def complete(words: Sequence[str]) -> Iterator[str]:
    """Candidates for the last of ``words``, which are the whole command line but the program's name."""
    from .options import parse_global

    *before, current = words or [""]
    try:
        options, rest = parse_global(before)
    except FlagError:
        last = before[-1]
        yield from (FILES,) if last in _GLOBAL_FILES else _FIXED.get(last, ())
        return
    try:
        yield from _complete(options, [*rest, current])
    except (ComposeError, OSError, ValueError):
        return


def _complete(options: Namespace, words: list[str]) -> Iterator[str]:
    *before, current = words
    if not before:
        yield from _global(current)
        return
    verb = before[0]
    if verb in GROUPS:
        table = GROUPS[verb][1]
        if len(before) == 1:
            yield from (f"{name}\t{text}" for name, (_, text) in sorted(table.items()))
            return
        name = before[1] if before[1] in table else ALIASES.get(before[1], "")
        if name in table:
            yield from _verb(options, f"{verb}.{table[name][0]}", verb, name, before[2:], current)
        return
    table = COMPOSE if verb in COMPOSE else PLAIN
    if verb in table:
        yield from _verb(options, table[verb][0], "", verb, before[1:], current)


def _global(current: str) -> Iterator[str]:
    if current.startswith("-"):
        from .options import GLOBAL_OPTIONS

        yield from (name for name in sorted(GLOBAL_OPTIONS) if name.startswith("--"))
        return
    for table in (COMPOSE, PLAIN):
        yield from (f"{name}\t{text}" for name, (_, text) in sorted(table.items()))
    yield from (f"{name}\t{text}" for name, (text, _) in sorted(GROUPS.items()))


def _verb(
    options: Namespace, module_name: str, group: str, verb: str, before: Sequence[str], current: str
) -> Iterator[str]:
    module = import_module(f".verbs.{module_name}", __package__)
    parser = Parser("pycompose", "", interspersed=getattr(module, "INTERSPERSED", True))
    module.add_arguments(parser)
    flags = parser.flags()
    words, pending = _positionals(parser, flags, before)
    if pending is not None:
        yield from _value(options, pending)
    elif current.startswith("-") and (parser.is_interspersed or not words):
        yield from (f"{name}\t{action.help or ''}" for name, action in flags.items() if name.startswith("--"))
    elif not (len(words) >= len(parser.positionals) and parser.positionals and parser.positionals[-1].nargs is None):
        yield from _names(options, group, verb, words, current)


def _positionals(parser: Parser, flags: dict[str, Action], before: Sequence[str]) -> tuple[list[str], Action | None]:
    """The arguments that are no options, and the option that waits for its value."""
    words: list[str] = []
    pending: Action | None = None
    for item in before:
        if pending is not None:
            pending = None
        elif item.startswith("-") and len(item) > 1 and (parser.is_interspersed or not words):
            name = item if item.startswith("--") else f"-{item[-1]}"
            action = flags.get(name)
            pending = action if action is not None and action.nargs != 0 and "=" not in item else None
        else:
            words.append(item)
    return words, pending


def _value(options: Namespace, action: Action) -> Iterator[str]:
    for name in action.option_strings:
        if name in _FIXED:
            yield from _FIXED[name]
        elif name == "--image":
            yield from _listed(options, "image")
        elif name == "--network":
            yield from _listed(options, "network")
        elif name in ("--volumes-from", "--link"):
            yield from _containers(options, _ANY)
        elif name == "--from":
            yield from (FILES,) if action.dest == "source" else _snapshots(options)
        elif name in _FILE_OPTIONS or (name == "--to" and action.metavar == "HOST"):
            yield FILES


def _names(options: Namespace, group: str, verb: str, words: Sequence[str], current: str) -> Iterable[str]:
    match group:
        case "container":
            return _container_names(options, verb, words, current)
        case "image" | "network" | "volume":
            return _object_names(options, group, verb, words)
        case "jobs":
            return () if verb == "ls" else [name for name in _jobs(options) if name not in words]
        case "snapshot":
            of_one = verb in ("restore", "rm") or (verb == "push" and not words)
            return [name for name in _snapshots(options) if name not in words] if of_one else ()
        case "":
            return _service_names(options, verb, words, current)
    return ()


def _container_names(options: Namespace, verb: str, words: Sequence[str], current: str) -> Iterable[str]:
    match verb:
        case "run" | "create":
            return _listed(options, "image") if not words else ()
        case "cp":
            return [f"{name}:" for name in _containers(options, _ANY)] + [FILES] if ":" not in current else ()
        case "exec" | "top" | "port" | "rename" | "commit" if words:
            return ()
        case "ls" | "prune":
            return ()
    return [name for name in _containers(options, _STATES.get(verb, _ANY)) if name not in words]


def _object_names(options: Namespace, group: str, verb: str, words: Sequence[str]) -> Iterable[str]:
    match group, verb:
        case "image", "build" | "load" | "import":
            return (FILES,)
        case "volume", "import" if words:
            return (FILES,)
        case "volume", "export" if words:
            return ()
        case "network", "connect" | "disconnect" if words:
            return _containers(options, _ANY)
        case _, "create" | "prune" | "bootstrap":
            return ()
    return [name for name in _listed(options, group) if name not in words]


def _service_names(options: Namespace, verb: str, words: Sequence[str], current: str) -> Iterable[str]:
    match verb:
        case "completion":
            return ("bash", "zsh", "fish")
        case "exec" | "run" | "debug" | "port" | "export" | "commit" | "attach" if words:
            return ()
        case "import":
            return () if words else ("docker",)
        case "cp":
            return [f"{name}:" for name in _services(options)] + [FILES] if ":" not in current else ()
        case "config" | "ls" | "version" | "login" | "logout" | "search" | "conformance" | "explain":
            return ()
        case "scale":
            return [f"{name}=" for name in _services(options)]
    return [name for name in _services(options) if name not in words]


def _engine(options: Namespace) -> Engine:
    """The engine that runs, or `ComposeError`: completion starts none."""
    from ..client import Engine, choose

    return Engine(choose(os.environ, os.geteuid(), options.host, options.root))


def _containers(options: Namespace, states: tuple[str, ...]) -> list[str]:
    found = _engine(options).containers.list({"status": list(states)} if states else None, all=True)
    return sorted(one["Names"][0].removeprefix("/") for one in found if one.get("Names"))


def _listed(options: Namespace, kind: str) -> list[str]:
    engine = _engine(options)
    if kind == "image":
        tags = (name for one in engine.images.list() for name in one.get("RepoTags") or ())
        return sorted(name for name in tags if name != "<none>:<none>")
    if kind == "network":
        return sorted(one["Name"] for one in engine.networks.list())
    return sorted(one["Name"] for one in engine.volumes.list())


def _snapshots(options: Namespace) -> list[str]:
    """Those of the project at hand."""
    project = _identity(options).name
    return sorted(str(one["Name"]) for one in _engine(options).snapshots.list(project)) if project else []


def _jobs(options: Namespace) -> list[str]:
    """Those of the project at hand that the engine has."""
    from ..labels import PROJECT

    project = _identity(options).name
    prefix = f"{project}."
    found = _engine(options).jobs.list({PROJECT: project}) if project else []
    return sorted(str(one["Name"]).removeprefix(prefix) for one in found)


def _services(options: Namespace) -> list[str]:
    """The services named in the Compose files themselves: keys below ``services:``, found without loading the model."""
    names: set[str] = set()
    for path in _identity(options).files:
        with open(path, encoding="utf-8") as file:
            names |= set(service_keys(file.read()))
    return sorted(names)


def _identity(options: Namespace) -> Identity:
    from ..app.identity import find_identity

    return find_identity(
        os.getcwd(),
        os.environ,
        project_name=options.project_name,
        files=options.file,
        project_directory=options.project_directory,
        env_files=options.env_file,
    )


def service_keys(text: str) -> list[str]:
    """The keys one level below ``services:`` in a Compose file in block style; JSON and flow style give none."""
    names: list[str] = []
    inside = False
    indent = 0
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip(" "))
        if depth == 0:
            inside, indent = stripped.split("#")[0].strip() == "services:", 0
        elif inside:
            indent = indent or depth
            key, colon, _ = stripped.partition(":")
            if depth == indent and colon and key != "<<":
                names.append(key.strip().strip("'\""))
    return names
