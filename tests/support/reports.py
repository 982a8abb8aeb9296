"""What keeps a failing test from ending the run while it is reported.

pytest walks the causes and contexts of an exception, those of a group's members by recursion: an exception at the end of a
thousand others (a loop that went on inside of `except`, a stack of clean-ups that all failed) ended the run with a RecursionError
that named neither test nor fault. So what is far from the failure is cut off before pytest sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NEAR = 20
"""How many causes and contexts of a failure are shown."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    if call.excinfo is not None:
        cut(call.excinfo.value)


def cut(error: BaseException, near: int = NEAR) -> None:
    """Let no exception stand farther than ``near`` causes, contexts and groups from ``error``."""
    level, seen = [error], {id(error)}
    for _ in range(near):
        level = [one for above in level for one in _beside(above) if id(one) not in seen]
        seen.update(map(id, level))
    for last in level:
        if last.__cause__ is not None or last.__context__ is not None:
            last.__cause__ = last.__context__ = None
            last.add_note("(what came before is not shown)")


def _beside(error: BaseException) -> Iterator[BaseException]:
    if error.__cause__ is not None:
        yield error.__cause__
    if error.__context__ is not None:
        yield error.__context__
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
