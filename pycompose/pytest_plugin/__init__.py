"""Stacks from Compose files as pytest fixtures: brought up under a lease, used, gone. See docs/testing.md.

    def test_answers(stack):
        host, port = stack.address("web", 80)

It runs the `pycompose` command and imports nothing of it, so that a project under test may have packages called ``compose``,
``engine`` or ``schemas``. Nothing but pytest and the standard library's light modules is imported until a fixture is used.
This module is the plugin: pytest finds hooks and fixtures by their names in it.
"""

from __future__ import annotations

from .asynchronous import AsyncStack
from .fixtures import async_stack, function_stack, module_stack, session_stack, stack, stack_options
from .hooks import (
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_sessionfinish,
)
from .options import CommandResult, StackError, StackOptions
from .stacks import Stack

__all__ = [
    "AsyncStack",
    "CommandResult",
    "Stack",
    "StackError",
    "StackOptions",
    "async_stack",
    "function_stack",
    "module_stack",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "session_stack",
    "stack",
    "stack_options",
]
