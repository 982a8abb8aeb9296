"""The object a test gets: where a stack's services are, and what can be done to them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .command import changes, pycompose
from .options import CommandResult, StackError, StackOptions

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stack:
    """A running stack. Every method waits until it is done; failures are `StackError`."""

    def __init__(self, project: str, options: StackOptions) -> None:
        self.project = project
        self.options = options
        self.failed = False
        self._environment: dict[str, str] | None = None
        self._saved = ""

    # -- where things are

    @property
    def environment(self) -> dict[str, str]:
        """DB_HOST, DB_PORT, DB_5432 …, as `pycompose env` prints them. Asked for once, and again after a change."""
        if self._environment is None:
            import json

            self._environment = dict(json.loads(self.run("env", "--format", "json").check().stdout))
        return self._environment

    def address(self, service: str, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Host and port that lead to ``port`` of a service. Raises `StackError` when nothing does."""
        __tracebackhide__ = True
        prefix = "".join(c if c.isascii() and c.isalnum() else "_" for c in service).upper()
        name = f"{prefix}_{port}" + ("" if protocol == "tcp" else f"_{protocol.upper()}")
        if name not in self.environment:
            known = [found.removeprefix(f"{prefix}_") for found in self.environment if found.startswith(f"{prefix}_")]
            ports = ", ".join(text for text in known if text[0].isdecimal()) or "none"
            raise StackError(
                f"nothing leads to {service}:{port}/{protocol}: neither published nor exposed (ports that are: {ports})"
            )
        return self.environment[f"{prefix}_HOST"], int(self.environment[name])

    # -- what can be done

    def exec(
        self, service: str, *command: str, user: str = "", environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Run a command in the service's first container."""
        words = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        words += [f"--user={user}"] if user else []
        return self.run("exec", "-T", *words, service, *command)

    def logs(self, *services: str, since: str = "", tail: int | None = None) -> str:
        """Output of all services, or of some; ``since`` as `pycompose logs` takes it."""
        words = [f"--since={since}"] if since else []
        words += [f"--tail={tail}"] if tail is not None else []
        return self.run("logs", "--no-color", *words, *services).check().stdout

    def stop(self, *services: str) -> None:
        __tracebackhide__ = True
        self._change("stop", *services)

    def start(self, *services: str) -> None:
        __tracebackhide__ = True
        self._change("start", *services)

    def restart(self, *services: str) -> None:
        __tracebackhide__ = True
        self._change("restart", *services)

    def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        __tracebackhide__ = True
        self._change("kill", f"--signal={signal}", *services)

    def wait_healthy(self, *services: str, timeout: float = 60.0) -> None:
        """Return when every container of the services (all without any) runs and is healthy, if it has a check."""
        deadline = time.monotonic() + timeout
        while True:
            with changes(self.options, self.project) as next_change:
                following = True
                while following:
                    waiting = self._not_healthy(services)
                    left = deadline - time.monotonic()
                    if not waiting:
                        return
                    if left <= 0:
                        raise StackError(f"not healthy within {timeout:g} s: {', '.join(waiting)}")
                    following = next_change(left)

    def _not_healthy(self, services: tuple[str, ...]) -> list[str]:
        import json

        rows = [json.loads(line) for line in self.run("ps", "-a", "--format", "json").check().stdout.splitlines()]
        found = {row["Service"] for row in rows}
        wanted = set(services) or found or {"no service"}
        return [f"{service}: no container" for service in sorted(wanted - found)] + [
            f"{row['Service']}: {row['Health'] or row['State']}"
            for row in rows
            if row["Service"] in wanted and (row["State"] != "running" or row["Health"] not in ("", "healthy"))
        ]

    def save(self, name: str = "saved") -> None:
        """Save the named volumes as they are now; `reset` comes back to it. Services that use them are restarted."""
        self._change("snapshot", "save", name)
        self._saved = name

    def reset(self, name: str = "") -> None:
        """Bring the named volumes back to what was saved, with the services on them started anew and ready."""
        wanted = name or self._saved or self.options.snapshot
        if not wanted:
            raise StackError("nothing was saved yet: call stack.save() once the stack holds what tests start from")
        self._change("snapshot", "restore", wanted)

    def run(self, *arguments: str) -> CommandResult:
        """Any `pycompose` command on this stack."""
        return pycompose(self.options, "-p", self.project, *arguments)

    def _change(self, *arguments: str) -> None:
        __tracebackhide__ = True
        self.run(*arguments).check()
        self._environment = None
