"""The global options: what stands before the verb, read by hand so that next to nothing is imported."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from .flags.parser import PROGRESS, FlagError, WrongSyntax

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GLOBAL_HELP = """\
Global Options:
      --ansi string                Control when to print ANSI control characters ("never"|"always"|"auto")
      --all-resources              Include all resources, even those not used by services
      --compatibility              Run compose in backward compatibility mode
      --dry-run                    Show what would be done, and do nothing
      --env-file stringArray       Specify an alternate environment file
  -f, --file stringArray           Compose configuration files
  -H, --host string                Engine to connect to (unix://, tcp:// or ssh://)
      --parallel int               Control max parallelism, -1 for unlimited
      --profile stringArray        Specify a profile to enable
      --progress string            Set type of progress output (auto, tty, plain, json, quiet)
      --project-directory string   Specify an alternate working directory
  -p, --project-name string        Project name
      --root DIR                   Use a separate engine stored in DIR
  -v, --version                    Show the version and exit
"""

_VALUES = {
    "--ansi": "ansi",
    "--env-file": "env_file",
    "--file": "file",
    "-f": "file",
    "--host": "host",
    "-H": "host",
    "--parallel": "parallel",
    "--profile": "profile",
    "--progress": "progress",
    "--project-directory": "project_directory",
    "--workdir": "project_directory",
    "--project-name": "project_name",
    "-p": "project_name",
    "--root": "root",
}
_LISTS = ("env_file", "file", "profile")
_SWITCHES = {
    "--all-resources": "all_resources",
    "--compatibility": "compatibility",
    "--dry-run": "dry_run",
    "--help": "help",
    "-h": "help",
    "--version": "show_version",
    "-v": "show_version",
    "--verbose": "verbose",
}
GLOBAL_OPTIONS = (*_VALUES, *_SWITCHES)
_LONG = tuple(name for name in GLOBAL_OPTIONS if name.startswith("--"))


def parse_global(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Global options as a namespace, and the words from the verb on. Raises `FlagError`."""
    options = Namespace(**dict.fromkeys(_VALUES.values()), **dict.fromkeys(_SWITCHES.values(), False))
    for name in _LISTS:
        setattr(options, name, [])
    queue = list(arguments)
    while queue and queue[0].startswith("-"):
        item = queue.pop(0)
        if item == "--no-ansi":
            print("option '--no-ansi' is DEPRECATED ! Please use '--ansi' instead.", file=sys.stderr)
            options.ansi = "never"
            continue
        if item in _SWITCHES:
            setattr(options, _SWITCHES[item], True)
            continue
        name, equals, value = item.partition("=")
        if name in _SWITCHES and equals:
            setattr(options, _SWITCHES[name], value.lower() in ("true", "1", "t"))
            continue
        if not name.startswith("--") and len(item) > 2:
            name, equals, value = item[:2], "=", item[2:].removeprefix("=")
        if name not in _VALUES:
            raise WrongSyntax(f"unknown flag: {name}{suggestion(name, _LONG)}\nSee 'pycompose --help'.")
        if not equals:
            if not queue:
                raise WrongSyntax(f"flag needs an argument: {name}")
            value = queue.pop(0)
        if _VALUES[name] in _LISTS:
            getattr(options, _VALUES[name]).append(value)
        else:
            setattr(options, _VALUES[name], value)
    if options.parallel is not None:
        try:
            int(options.parallel)
        except ValueError:
            raise FlagError(f'invalid argument "{options.parallel}" for "--parallel" flag: not a number') from None
    if options.progress and options.progress not in PROGRESS:
        raise FlagError(f'unsupported --progress value "{options.progress}": one of {", ".join(PROGRESS)}')
    return options, queue


def suggestion(name: str, known: Iterable[str]) -> str:
    from ..load.suggest import nearest

    hint = nearest(name, known)
    return f" ({hint})" if hint else ""
