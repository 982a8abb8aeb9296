"""What pytest (and xdist) calls: options, the plan of a run, the report of a failed test, the end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .asynchronous import AsyncStack
from .lives import FAILED_MARK, KEEP, Plan, take_shared_away
from .options import StackError
from .stacks import Stack

plan_key = pytest.StashKey[Plan]()
_began_key = pytest.StashKey[float]()

WORDS = {
    "stack_scope": ("session", "module", "function"),
    "stack_xdist": ("shared", "each"),
    "stack_ports": ("auto", "fixed"),
}


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
    for name, words in WORDS.items():
        if config.getini(name) not in words:
            raise pytest.UsageError(f"{name}: {config.getini(name)!r} is none of {', '.join(words)}")
    wait = config.getini("stack_wait_timeout")
    if wait and not _is_seconds(wait):
        raise pytest.UsageError(f"stack_wait_timeout: {wait!r} is no number of seconds")
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    shared = ""
    owner = os.getpid()
    if given is not None and config.getini("stack_xdist") == "shared":
        owner, shared = given["stack_owner"], given["stack_directory"]
    reuse = bool(config.getoption("--stack-reuse"))
    config.stash[plan_key] = Plan(owner, config.getoption("--stack-keep"), reuse, shared)


def _is_seconds(text: str) -> bool:
    try:
        return 0 < float(text) < 1e9
    except ValueError:
        return False


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's controller is about to start a worker."""
    plan = node.config.stash[plan_key]
    if not plan.shared:
        import tempfile

        plan.shared = tempfile.mkdtemp(prefix="pycompose-stacks-")
    node.workerinput["stack_owner"] = os.getpid()
    node.workerinput["stack_directory"] = plan.shared


def pytest_sessionfinish(session: pytest.Session) -> None:
    plan = session.config.stash[plan_key]
    if plan.shared and not hasattr(session.config, "workerinput"):
        for line in take_shared_away(plan):
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
            text = _said(stack, item)
            report.sections.append((f"Captured stdout of the services of {stack.project}", text))
            # For the reports to come: a JUnit report is written from the last one, where junit_logging says so.
            item.add_report_section(stack.project, "stdout of the services of", text)
    return report


def _said(stack: Stack, item: pytest.Item) -> str:
    """What the services wrote during the test. An exception here would end pytest, and with it every test to come."""
    plan = item.config.stash[plan_key]
    since = f"{item.stash.get(_began_key, 0.0):.3f}"
    try:
        if plan.shared:
            (Path(plan.shared) / f"{stack.project}{FAILED_MARK}").touch()
        result = stack.run("logs", "--no-color", f"--since={since}", "--tail=200")
    except (OSError, StackError) as error:  # a test may have taken the directory away, or the command
        return f"(not known: {error})"
    return (result.stdout + result.stderr).strip() or "(no output during this test)"
