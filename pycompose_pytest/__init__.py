"""Stacks from Compose files as pytest fixtures: brought up under a lease, used, gone. See docs/testing.md.

    def test_answers(stack):
        host, port = stack.address("web", 80)

One file on purpose: it runs the `pycompose` command and imports nothing of it, so that a project under test may have
packages called ``compose``, ``engine`` or ``schemas``. Nothing but pytest is imported until a fixture is used.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

__all__ = ["AsyncStack", "CommandResult", "Stack", "StackError", "StackOptions"]

T = TypeVar("T")

KEEP = ("never", "failed", "always")
SCOPES = ("session", "module", "function")
REUSE_TTL = "4h"
_FAILED_MARK = ".failed"


class StackError(Exception):
    """The stack did not come up, or a command on it failed; ``str(error)`` is what `pycompose` said."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command in a container left: its exit code and its output."""

    exit_code: int
    stdout: str
    stderr: str

    def check(self) -> CommandResult:
        """Itself, when the exit code is 0. Raises `StackError`."""
        if self.exit_code != 0:
            raise StackError(f"exit code {self.exit_code}\n{self.stdout}{self.stderr}")
        return self


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to bring up. Override the fixture ``stack_options`` to choose it in code instead of the ini file.

    ``files`` are relative to ``directory``; none means the usual names. ``environment`` is added to that of `pycompose`
    (for interpolation). ``arguments`` go before the verb (``--root``, ``--profile``…). Times in seconds.
    """

    directory: Path
    files: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    snapshot: str = ""
    build: bool = False
    ports: str = "auto"
    wait_timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


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
        prefix = "".join(c if c.isascii() and c.isalnum() else "_" for c in service).upper()
        name = f"{prefix}_{port}" + ("" if protocol == "tcp" else f"_{protocol.upper()}")
        if name not in self.environment:
            raise StackError(f"nothing leads to {service}:{port}/{protocol}: neither published nor exposed")
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
        self._change("stop", *services)

    def start(self, *services: str) -> None:
        self._change("start", *services)

    def restart(self, *services: str) -> None:
        self._change("restart", *services)

    def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        self._change("kill", f"--signal={signal}", *services)

    def wait_healthy(self, *services: str, timeout: float = 60.0) -> None:
        """Return when every container of the services (all without any) runs and is healthy, if it has a check."""
        import json

        deadline = time.monotonic() + timeout
        while True:
            rows = [json.loads(line) for line in self.run("ps", "-a", "--format", "json").check().stdout.splitlines()]
            rows = [row for row in rows if not services or row["Service"] in services]
            waiting = [
                f"{row['Service']}: {row['Health'] or row['State']}"
                for row in rows
                if row["State"] != "running" or row["Health"] not in ("", "healthy")
            ]
            if rows and not waiting:
                return
            if time.monotonic() > deadline:
                raise StackError(f"not healthy within {timeout:g} s: {', '.join(waiting) or 'no containers'}")
            time.sleep(0.05)

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
        return _pycompose(self.options, "-p", self.project, *arguments)

    def _change(self, *arguments: str) -> None:
        self.run(*arguments).check()
        self._environment = None


class AsyncStack:
    """`Stack` for async tests: the same methods, awaited; what blocks runs in a thread. Any asyncio or trio loop."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    async def address(self, service: str, port: int, protocol: str = "tcp") -> tuple[str, int]:
        return await _in_thread(lambda: self.stack.address(service, port, protocol))

    async def exec(
        self, service: str, *command: str, user: str = "", environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        return await _in_thread(lambda: self.stack.exec(service, *command, user=user, environment=environment))

    async def logs(self, *services: str, since: str = "", tail: int | None = None) -> str:
        return await _in_thread(lambda: self.stack.logs(*services, since=since, tail=tail))

    async def stop(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.stop(*services))

    async def start(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.start(*services))

    async def restart(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.restart(*services))

    async def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        await _in_thread(lambda: self.stack.kill(*services, signal=signal))

    async def wait_healthy(self, *services: str, timeout: float = 60.0) -> None:  # noqa: ASYNC109  (as in Stack)
        await _in_thread(lambda: self.stack.wait_healthy(*services, timeout=timeout))

    async def save(self, name: str = "saved") -> None:
        await _in_thread(lambda: self.stack.save(name))

    async def reset(self, name: str = "") -> None:
        await _in_thread(lambda: self.stack.reset(name))


async def _in_thread(function: Callable[[], T]) -> T:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import anyio.to_thread

        return await anyio.to_thread.run_sync(function)
    return await asyncio.to_thread(function)


# -- the command


def _command() -> list[str]:
    """`pycompose` beside this interpreter, else on PATH."""
    import shutil

    beside = Path(sys.executable).with_name("pycompose")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("pycompose")
    if found is None:
        raise StackError("there is no pycompose command beside this Python or on PATH")
    return [found]


def _pycompose(options: StackOptions, *arguments: str) -> CommandResult:
    import subprocess

    files = [word for name in options.files for word in ("-f", str(options.directory / name))]
    result = subprocess.run(
        [*_command(), "--progress", "plain", *options.arguments, *files, *arguments],
        cwd=options.directory,
        env={**os.environ, **options.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return CommandResult(result.returncode, result.stdout, result.stderr)


# -- bringing up and taking away


@dataclass(slots=True)
class _Plan:
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


def _take_away(stack: Stack, plan: _Plan, failed: bool) -> str:
    """End the lease, or leave the stack as --stack-keep says; then a line for the user."""
    if plan.keep == "always" or (plan.keep == "failed" and failed):
        stack.run("lease", "release", stack.project)
        return f"stack kept: pycompose -p {stack.project} ps; pycompose -p {stack.project} down -v"
    stack.run("lease", "end", stack.project).check()
    return ""


def _base_name(options: StackOptions) -> str:
    base = "".join(c for c in options.directory.resolve().name.lower() if c.isascii() and (c.isalnum() or c in "_-"))
    return base.lstrip("_-")[:40] or "stack"


def _live(options: StackOptions, plan: _Plan, key: str) -> Iterator[Stack]:
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

    config = _pycompose(options, "-p", "reuse", "config").check().stdout
    digest = hashlib.sha256(repr((config, options.services, options.ports)).encode()).hexdigest()[:8]
    project = f"{_base_name(options)}-reuse-{digest}"
    stack = Stack(project, options)
    if stack.run("lease", "renew", f"--ttl={REUSE_TTL}", project).exit_code == 0:
        result = stack.run("up", "-d", "--wait", "--ephemeral", f"--ports={options.ports}", *options.services)
        if result.exit_code == 0:
            return stack
        stack.run("lease", "end", project)
    return _bring_up(options, project, f"ttl:{REUSE_TTL}")


def _shared(options: StackOptions, plan: _Plan, key: str) -> Stack:
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


def _take_shared_away(plan: _Plan) -> list[str]:
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
            lines.append(_take_away(Stack(state.name, options), plan, state.with_suffix(_FAILED_MARK).exists()))
    shutil.rmtree(plan.shared, ignore_errors=True)
    return [line for line in lines if line]


# -- pytest


_plan_key = pytest.StashKey[_Plan]()
_began_key = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stack", "stacks from Compose files (pycompose)")
    group.addoption(
        "--stack-keep", choices=KEEP, default="never", help="leave stacks standing: never, failed or always"
    )
    group.addoption(
        "--stack-reuse", action="store_true", help="use the stack of the last run of the same configuration"
    )
    parser.addini("stack_files", "Compose files, relative to the ini file (default: the usual names)", "args", [])
    parser.addini("stack_services", "services to bring up with their dependencies (default: all)", "args", [])
    parser.addini("stack_scope", "scope of the fixture `stack`: session, module or function", default="session")
    parser.addini("stack_xdist", "with xdist: one stack `shared` by all workers, or one for `each`", default="shared")
    parser.addini("stack_ports", "auto (picked and kept) or fixed (as declared)", default="auto")
    parser.addini("stack_wait_timeout", "seconds a stack may take to be ready", default="")
    parser.addini("stack_snapshot", "a snapshot of the project to start from", default="")


def pytest_configure(config: pytest.Config) -> None:
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    shared = ""
    owner = os.getpid()
    if given is not None and config.getini("stack_xdist") == "shared":
        owner, shared = given["stack_owner"], given["stack_directory"]
    reuse = bool(config.getoption("--stack-reuse"))
    config.stash[_plan_key] = _Plan(owner, config.getoption("--stack-keep"), reuse, shared)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's controller is about to start a worker."""
    plan = node.config.stash[_plan_key]
    if not plan.shared:
        import tempfile

        plan.shared = tempfile.mkdtemp(prefix="pycompose-stacks-")
    node.workerinput["stack_owner"] = os.getpid()
    node.workerinput["stack_directory"] = plan.shared


def pytest_sessionfinish(session: pytest.Session) -> None:
    plan = session.config.stash[_plan_key]
    if plan.shared and not hasattr(session.config, "workerinput"):
        for line in _take_shared_away(plan):
            print(line, file=sys.__stderr__)


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_began_key] = time.time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test's report has what the services said meanwhile."""
    report = yield
    if report.failed:
        arguments = getattr(item, "funcargs", {}).values()
        stacks = {
            one.stack if isinstance(one, AsyncStack) else one
            for one in arguments
            if isinstance(one, Stack | AsyncStack)
        }
        for stack in stacks:
            stack.failed = True
            plan = item.config.stash[_plan_key]
            if plan.shared:
                (Path(plan.shared) / f"{stack.project}{_FAILED_MARK}").touch()
            since = f"{item.stash.get(_began_key, 0.0):.3f}"
            result = stack.run("logs", "--no-color", f"--since={since}", "--tail=200")
            text = (result.stdout + result.stderr).strip() or "(no output during this test)"
            report.sections.append((f"services of {stack.project}", text))
    return report


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    scope = config.getini("stack_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"stack_scope: {scope!r} is none of {', '.join(SCOPES)}")
    return scope


@pytest.fixture(scope="session")
def stack_options(pytestconfig: pytest.Config) -> StackOptions:
    """What to bring up, from the ini file; override it in conftest.py to say it in code."""
    wait = pytestconfig.getini("stack_wait_timeout")
    return StackOptions(
        directory=pytestconfig.inipath.parent if pytestconfig.inipath else pytestconfig.rootpath,
        files=tuple(pytestconfig.getini("stack_files")),
        services=tuple(pytestconfig.getini("stack_services")),
        ports=pytestconfig.getini("stack_ports"),
        snapshot=pytestconfig.getini("stack_snapshot"),
        wait_timeout=float(wait) if wait else None,
    )


def _context(options: StackOptions, plan: _Plan, key: str) -> AbstractContextManager[Stack]:
    from contextlib import contextmanager

    return contextmanager(_live)(options, plan, key)


@pytest.fixture(scope=_scope)
def stack(stack_options: StackOptions, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack of the project's Compose file; how long it lives is the ini option ``stack_scope``."""
    yield from _scoped(stack_options, request)


@pytest.fixture(scope="session")
def session_stack(stack_options: StackOptions, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """One stack for the whole run."""
    yield from _scoped(stack_options, request)


@pytest.fixture(scope="module")
def module_stack(stack_options: StackOptions, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack for each test module."""
    yield from _scoped(stack_options, request)


@pytest.fixture
def function_stack(stack_options: StackOptions, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack for each test."""
    yield from _scoped(stack_options, request)


@pytest.fixture
def async_stack(stack: Stack) -> AsyncStack:
    """`stack` with methods to be awaited."""
    return AsyncStack(stack)


def _scoped(options: StackOptions, request: pytest.FixtureRequest) -> Iterator[Stack]:
    plan = request.config.stash[_plan_key]
    if request.scope != "session" and (plan.shared or plan.reuse):
        # A stack of a module or a test is its own: nobody else could share it.
        plan = _Plan(os.getpid(), plan.keep, False, "")
    with _context(options, plan, request.fixturename or "stack") as stack:
        yield stack
