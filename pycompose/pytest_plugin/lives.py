"""How stacks of one test run live: brought up under a lease, shared between workers or reused, taken away or kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .command import pycompose
from .options import StackError, StackOptions
from .stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

KEEP = ("never", "failed", "always")
REUSE_TTL = "4h"
FAILED_MARK = ".failed"


@dataclass(slots=True)
class Plan:
    """How stacks of this run live: under whose lease, shared in which directory ("" for not shared), kept or reused."""

    owner: int
    keep: str
    reuse: bool
    shared: str


def _bring_up(options: StackOptions, project: str, lease: str) -> Stack:
    words = ["up", "-d", "--wait", "--ephemeral", f"--lease={lease}", f"--ports={options.ports}"]
    words += ["--build"] if options.build else []
    words += [f"--from={options.snapshot}"] if options.snapshot else []
    words += [f"--wait-timeout={round(options.wait_timeout)}"] if options.wait_timeout is not None else []
    stack = Stack(project, options)
    try:
        result = stack.run(*words, *options.services)
        if result.exit_code != 0:
            raise StackError(f"the stack did not come up (exit code {result.exit_code}):\n{result.stderr.strip()}")
    except BaseException:
        # Whatever it was, Ctrl-C included: half a stack is taken down as well.
        stack.run("lease", "end", project)
        raise
    return stack


def _take_away(stack: Stack, plan: Plan, failed: bool) -> str:
    """End the lease, or leave the stack as --stack-keep says; then a line for the user."""
    if plan.keep == "always" or (plan.keep == "failed" and failed):
        stack.run("lease", "release", stack.project)
        return f"stack kept: pycompose -p {stack.project} ps; pycompose -p {stack.project} down -v"
    stack.run("lease", "end", stack.project).check()
    return ""


def _base_name(options: StackOptions) -> str:
    base = "".join(c for c in options.directory.resolve().name.lower() if c.isascii() and (c.isalnum() or c in "_-"))
    return base.lstrip("_-")[:40] or "stack"


def live(options: StackOptions, plan: Plan, key: str) -> Iterator[Stack]:
    """A stack for as long as the generator lives. ``key`` tells stacks of one run apart."""
    import secrets

    if plan.reuse:
        yield _reused(options)
        return
    if plan.shared:
        yield _shared(options, plan, key)
        return
    stack = _bring_up(options, f"{_base_name(options)}-test-{secrets.token_hex(4)}", f"pid:{plan.owner}")
    try:
        yield stack
    finally:
        line = _take_away(stack, plan, stack.failed)
        if line:
            print(line, file=sys.__stderr__)


def _reused(options: StackOptions) -> Stack:
    """The stack of an earlier run, when it was made from the same configuration; it is left for the next run."""
    import hashlib

    config = pycompose(options, "-p", "reuse", "config").check().stdout
    digest = hashlib.sha256(repr((config, options.services, options.ports)).encode()).hexdigest()[:8]
    project = f"{_base_name(options)}-reuse-{digest}"
    stack = Stack(project, options)
    if stack.run("lease", "renew", f"--ttl={REUSE_TTL}", project).exit_code == 0:
        result = stack.run("up", "-d", "--wait", "--ephemeral", f"--ports={options.ports}", *options.services)
        if result.exit_code == 0:
            return stack
        stack.run("lease", "end", project)
    return _bring_up(options, project, f"ttl:{REUSE_TTL}")


def _shared(options: StackOptions, plan: Plan, key: str) -> Stack:
    """One stack for all workers: the first brings it up, the others wait; the controller takes it away."""
    import fcntl
    import hashlib
    import json

    name = hashlib.sha256(f"{plan.shared}/{key}".encode()).hexdigest()[:8]
    project = f"{_base_name(options)}-test-{name}"
    state = Path(plan.shared) / project
    with open(state.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if state.exists():
            problem = json.loads(state.read_text())["problem"]
            if problem:
                raise StackError(problem)
            return Stack(project, options)
        try:
            stack = _bring_up(options, project, f"pid:{plan.owner}")
        except StackError as error:
            _write(state, options, str(error))
            raise
        _write(state, options, "")
        return stack


def _write(state: Path, options: StackOptions, problem: str) -> None:
    import json

    body = {
        "problem": problem,
        "directory": str(options.directory),
        "files": list(options.files),
        "environment": dict(options.environment),
        "arguments": list(options.arguments),
    }
    state.write_text(json.dumps(body))


def take_shared_away(plan: Plan) -> list[str]:
    """In the controller, when every worker is done."""
    import json
    import shutil

    lines = []
    for state in sorted(Path(plan.shared).iterdir()):
        if state.suffix:
            continue
        body = json.loads(state.read_text())
        if not body["problem"]:
            options = StackOptions(
                Path(body["directory"]),
                tuple(body["files"]),
                environment=body["environment"],
                arguments=tuple(body["arguments"]),
            )
            lines.append(_take_away(Stack(state.name, options), plan, state.with_suffix(FAILED_MARK).exists()))
    shutil.rmtree(plan.shared, ignore_errors=True)
    return [line for line in lines if line]
