"""The reference of all commands and flags, from the parsers themselves: what docs/commands.md holds.

Not a verb: a test writes and compares the document, so that it cannot drift.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from .flags.parser import Parser
from .flags.shared import add_target
from .options import GLOBAL_HELP
from .table import CLUSTER, COMPOSE, GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Commands and flags

Written by `pytest --update-golden tests/unit/test_command_reference.py` from the parsers; do not edit. Flags of Docker
Compose v2 that are missing here are refused as unknown; those that can have no effect here say *accepted for
compatibility* and why.
"""

_ENGINE = """\
**Which engine.** The first of `-H`, `--root`, `PYCOMPOSE_HOST`, `PYCOMPOSE_ROOT`, `DOCKER_HOST`, `DOCKER_CONTEXT` (a context of
the docker CLI, below `$DOCKER_CONFIG` or `~/.docker`), pycompose's own. Hosts are `unix:///path`, `tcp://host[:port]` (TLS with
`DOCKER_TLS_VERIFY`, `DOCKER_TLS` and the certificates in `DOCKER_CERT_PATH`) and `ssh://[user@]host[:port][/path]`, which runs
`docker system dial-stdio` over there.

**Resident process.** A command leaves a process behind that runs the next ones, so that they need not start anew; it ends after a
minute without any. `PYCOMPOSE_WARM=0` neither uses nor starts one.

**Exit codes.** Those of Docker Compose: 1 for what fails and for wrong arguments, 14 for a file that is not there, 15 for a file
that is wrong, 16 for an unknown command or flag, 17 for a failed build, 18 for a failed pull, 130 after Ctrl-C; `run` and `exec`
have the command's own, 126 or 127 where `exec` could not start it, and 70 for a fault of pycompose itself, which names the file that reports it.
"""

_DIFFERENCES = """\
## Where pycompose means to differ

From Docker Compose 2.26, which was run beside it.

| Command | Docker Compose | pycompose | Why |
|---|---|---|---|
| `build`, `run --build`, `up --build` | build output on stdout when it is not a terminal | on stderr | `run --build app \\| jq` gets the program's output alone |
| `run -v ./dir:/x` | refused: no absolute path | relative to the working directory | what newer versions do |
| `run`, `attach`: SIGINT, SIGTERM | the client leaves with 130, the container runs on | passed on to the container, whose exit code it is; `run`: a second signal kills, and SIGTERM after the grace period | no container is left that nobody knows of |
| `run`, `exec` without a terminal | `-T` is needed in places | a terminal is used where there is one | scripts and `cron` need no flag |
| `attach` | output before the first line may be lost | is not | |
| `watch` without `develop` | starts the project, then fails | fails | nothing has been asked of those services |
| `watch` of a path that is not there yet | refused by some versions, never noticed by others | noticed when it comes | |
| `down`, or an `up` that replaces the container, with a `pre_stop` hook that fails | fails, and the container stays | tells of it, and goes on | a faulty hook could never be repaired; `stop` fails as well |
| `up` of two services with one host port | the second fails when it starts | refused before anything is made, with the place | |
| `cp - SERVICE:PATH` with several replicas | the first gets the files, then an error | all get them | as for any other source |
| `cp` of devices out of a container | makes them | leaves them out, with a warning | no file of a container becomes a device of the host |
| a missing image with `pull_policy: never` | fails after the network is made | fails before anything is made | |
| `port SERVICE 80/udp` | refused | the same as `--protocol udp` | |
| `--dry-run cp` | fails | shows what would be copied | |
| `down` | leaves containers of services whose profiles are not enabled, networks that left the file, and asks for a file that loads | takes away what the engine has recorded | what `up` made, `down` removes |
| `down --volumes` | removes a volume of that name that is not labelled | leaves it | volumes are sacred, and it was not made for the project |
| `ps`, `logs`, `stop`, `kill` and such with a faulty file | end with 14 or 15 | take only names from the file, and work | a stack can be looked at and stopped |
| `up` after the content of a config or secret, or a network's labels or options, changed | goes on with what was | replaces the containers concerned | |
| `up` after a dependency with `restart: true` was replaced | may replace the dependant | restarts it | what newer versions do |
| `up` with `order: start-first` and a dependant with `restart: true` | stops the dependant first | restarts it when what it depends on has come anew, before the old containers go | requests go through meanwhile |
| `up` with `order: start-first` | ignores it | starts the new container beside the old one, leads published ports to it once it is healthy, and lets connections end | no request is lost, on a fixed port either |
| `up` with `order: start-first` on the dependant with `restart: true` itself | restarts it | replaces it, the same way | a restart has a gap, a replacement has none |
| `up` after a network was removed by hand | fails, each time | connects the containers anew | |
| `up --wait`, a service ends with 0 and is not restarted | ends with 1 | counts it as ready | a job has done its work |
| `up --abort-on-container-exit`, `--exit-code-from`: a job ends with 0 for which others waited | stops everything | goes on | it was meant to end |
| `up` in the foreground and Ctrl-C | prints nothing more; a second Ctrl-C changes nothing | prints what containers say while they stop; the second kills | |
| `restart` | in the order of dependencies | dependants stop first, and wait for health where depends_on says so | |
| two directories with one project name | one takes over the other's containers | refused with both paths, unless `-p` says the name | |
| `publish --app` | puts the images into the artifact as well | refused | images travel by `push`, and are pulled where they are needed |
"""


def reference() -> str:
    """The document, in Markdown."""
    lines = [_INTRODUCTION, _ENGINE, "```text", GLOBAL_HELP.rstrip(), "```", ""]
    for verb, (module, summary) in sorted({**COMPOSE, **PLAIN}.items()):
        lines += _verb(f"pycompose {verb}", module, summary)
    for group, (summary, table) in sorted(GROUPS.items()):
        lines += [f"## pycompose {group}", "", f"{summary}.", ""]
        for verb, (module, text) in sorted(table.items()):
            lines += _verb(f"pycompose {group} {verb}", f"{group}.{module}", text)
    lines.append(_DIFFERENCES)
    return "\n".join(lines).rstrip() + "\n"


def _verb(prog: str, module_name: str, summary: str) -> Iterator[str]:
    module = import_module(f".verbs.{module_name}", __package__)
    parser = Parser(prog, summary)
    module.add_arguments(parser)
    if module_name in CLUSTER:
        add_target(parser)
    yield f"### {prog}"
    yield ""
    yield f"{summary}. `{parser.usage_line().removeprefix('Usage:  ')}`"
    yield ""
    rows = [action for action in parser.option_actions() if action.help != argparse.SUPPRESS]
    if rows:
        yield "| Flag | |"
        yield "|---|---|"
    for action in rows:
        names = ", ".join(f"`{name}`" for name in action.option_strings)
        value = f" *{action.metavar}*" if action.nargs != 0 and action.metavar else ""
        yield f"| {names}{value} | {(action.help or '').replace('|', chr(92) + '|')} |"
    if rows:
        yield ""
