"""Output of a stack's tasks, of all nodes, from one manager.

A service's log names the task of each line in its details, so one stream a service is enough, and it goes on with tasks that come
later. A manager that goes away ends the streams: they are opened again at the last time seen.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ...client.frames import STDERR, demultiplex, raw
from ...errors import EngineError, OperationError
from ..moments import position
from ..state import FAILED, READY
from .labels import SERVICE, STACK
from .times import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...client import Engine
    from ...client.bodies.swarm import Service
    from ...client.http import Query
    from ..backend import LogLine, LogOptions
    from .watch import Watch

PAUSE = 1.0
"""Seconds between two tries to open a stream again, and between two looks for new services."""

OVERLAP = 5
"""Seconds before the last line from which a stream is opened again; what has been shown is not shown twice."""

PATIENCE = 60.0
"""Seconds in which the managers may be away while output is followed."""

TASK, NODE = "com.docker.swarm.task.id", "com.docker.swarm.node.id"
QUERY: Mapping[str, int] = {"stdout": 1, "stderr": 1, "details": 1, "timestamps": 1}
"""Timestamps always: they say where to go on."""


class Follower:
    """Prints the output of one service."""

    def __init__(
        self, engine: Engine, service: Service, names: Names, line: LogLine, *, timestamps: bool = False
    ) -> None:
        self._engine = engine
        self._id = str(service["ID"])
        self._has_terminal = bool(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("TTY"))
        self._names = names
        self._line = line
        self._timestamps = timestamps
        self._shown: dict[str, str] = {}
        self._before: dict[str, str] = {}

    def run(self, options: LogOptions) -> None:
        """Until the end of what there is; with ``follow`` until the service is gone."""
        since, tail = options.since, options.tail
        while True:
            try:
                self._read({**QUERY, "follow": options.follow or None, "tail": tail, "since": since})
                if not options.follow:
                    return
            except EngineError as error:
                if error.status == 404 or not options.follow:
                    raise
            since, tail = self._resume() or since, "all"
            time.sleep(PAUSE)

    def read_on(self) -> None:
        """Print what has been said since the last time."""
        self._read({**QUERY, "since": self._resume()})

    def _resume(self) -> str | None:
        """Where to go on: before the last line of all, since tasks on other nodes may be heard of later."""
        self._before = self._shown.copy()
        newest = max(self._shown.values(), default="")
        return f"{epoch(newest.partition('.')[0]) - OVERLAP:.0f}" if newest else None

    def _read(self, query: Query) -> None:
        pending: dict[int, bytes] = {}
        with self._engine.swarm.logs("services", self._id, query) as response:
            for stream, data in (raw if self._has_terminal else demultiplex)(response.blocks()):
                *lines, pending[stream] = (pending.get(stream, b"") + data).split(b"\n")
                for one in lines:
                    self._print(one.decode("utf-8", "replace"), stream)

    def _print(self, text: str, stream: int) -> None:
        moment, _, rest = text.partition(" ")
        details, _, words = rest.partition(" ")
        fields = dict(part.partition("=")[::2] for part in details.split(","))
        task, node = unquote(fields.get(TASK, "")), unquote(fields.get(NODE, ""))
        source, place = f"{task} {stream}", position(moment)
        if place <= self._before.get(source, ""):
            return
        self._shown[source] = place
        shown = self._names.of(task, node)
        self._line(shown, f"{moment} {words}" if self._timestamps else words.removesuffix("\r"), error=stream == STDERR)


class Names:
    """``service.slot@node`` by task, asked for when a new task speaks."""

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._project = project
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, task: str, node: str) -> str:
        with self._lock:
            if task not in self._known:
                self._learn()
            return self._known.get(task, f"{task[:12]}@{node[:12]}")

    def _learn(self) -> None:
        from .listing import units

        swarm = self._engine.swarm
        filters = {"label": [f"{STACK}={self._project}"]}
        found = units(swarm.services(filters), swarm.tasks(filters), swarm.nodes())
        self._known |= {one.id: f"{one.name}@{one.node}" for one in found}


def print_logs(engine: Engine, project: str, services: Sequence[str], options: LogOptions, line: LogLine) -> None:
    """The output of the project's services, one after the other; with ``follow`` at once, and of those that come later."""
    names = Names(engine, project)
    running: dict[str, threading.Thread] = {}
    away_since = 0.0
    while True:
        try:
            found = engine.swarm.services({"label": [f"{STACK}={project}"]})
            away_since = 0.0
        except EngineError:  # while managers choose a new leader none of them answers
            away_since = away_since or time.monotonic()
            if not running or time.monotonic() - away_since > PATIENCE:
                raise
            found = []
        for one in found:
            service = str((one["Spec"].get("Labels") or {}).get(SERVICE) or one["Spec"]["Name"])
            if (services and service not in services) or str(one["ID"]) in running:
                continue
            follower = Follower(engine, one, names, line, timestamps=options.timestamps)
            if not options.follow:
                follower.run(options)
                continue
            thread = threading.Thread(target=_follow, args=(follower, options), daemon=True)
            running[str(one["ID"])] = thread
            thread.start()
        if not options.follow:
            return
        time.sleep(PAUSE)


def follow_job(engine: Engine, project: str, service: str, watch: Watch, line: LogLine) -> int:
    """Print what a job's task says until it has ended; its exit code. Raises `OperationError` for one that cannot begin."""
    tree = engine.swarm.service(f"{project}_{service}")
    follower = Follower(engine, tree, Names(engine, project), line)
    while True:
        watch.forget()
        verdict = watch.verdict(str(tree["Spec"]["Name"]))
        follower.read_on()
        if verdict.state == READY:
            return 0
        if verdict.state == FAILED:
            code = _exit_code(engine, str(tree["ID"]))
            if code is None:
                raise OperationError("\n".join([verdict.word, *(one.reason for one in verdict.troubles)]))
            return code
        time.sleep(PAUSE)


def _exit_code(engine: Engine, service: str) -> int | None:
    codes = [
        (one["Status"].get("ContainerStatus") or {}).get("ExitCode")
        for one in engine.swarm.tasks({"service": [service]})
        if one["Status"]["State"] == "failed"
    ]
    return int(codes[0]) if codes and codes[0] else None


def _follow(follower: Follower, options: LogOptions) -> None:
    try:
        follower.run(options)
    except EngineError:
        return  # the service is gone


def last_lines(engine: Engine, task: str, count: int) -> list[str]:
    """The end of a task's output; none where its node cannot be asked any more."""
    query: Query = {"stdout": 1, "stderr": 1, "tail": count}
    try:
        with engine.swarm.logs("tasks", task, query) as response:
            data = b"".join(response.blocks())
    except EngineError:
        return []
    with suppress(EngineError):  # a terminal's output has no frames
        data = b"".join(part for _, part in demultiplex([data]))
    return data.decode("utf-8", "replace").splitlines()[-count:]
