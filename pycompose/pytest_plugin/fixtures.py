"""The fixtures: stacks of every scope, and what they are made from."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from .asynchronous import AsyncStack
from .hooks import plan_key
from .lives import Plan, live
from .options import StackError, StackOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from .stacks import Stack


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("stack_scope")


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


def _context(options: StackOptions, plan: Plan, key: str) -> AbstractContextManager[Stack]:
    from contextlib import contextmanager

    return contextmanager(live)(options, plan, key)


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
    plan = request.config.stash[plan_key]
    if request.scope != "session" and (plan.shared or plan.reuse):
        # A stack of a module or a test is its own: nobody else could share it.
        plan = Plan(os.getpid(), plan.keep, False, "")
    context = _context(options, plan, request.fixturename or "stack")
    problem = ""
    try:
        stack = context.__enter__()
    except StackError as error:
        problem = str(error)
    if problem:
        # What the user can do something about is in the words, not in a trace of our code.
        pytest.fail(problem, pytrace=False)
    with ExitStack() as ending:
        ending.push(context)
        yield stack
