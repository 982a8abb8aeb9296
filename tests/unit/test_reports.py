"""A failing test is a failing test, however long the story of its exception is: the run goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.reports import NEAR, cut

FAILING = """
from contextlib import ExitStack

def fail(number):
    raise ValueError(f"clean-up {number}")

def story():
    try:
        with ExitStack() as stack:
            for number in range(1500):
                stack.callback(fail, number)
    except ValueError as error:
        return error

def test_alone():
    raise story()

def test_in_a_group():
    raise ExceptionGroup("several", [story()])

def test_after():
    pass
"""


def test_a_run_outlives_the_report_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(FAILING)
    support = Path(__file__).resolve().parents[1]
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "support.reports",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            "-q",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(support), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "2 failed, 1 passed" in run.stdout and run.returncode == 1, run.stdout + run.stderr
    assert "clean-up 0" in run.stdout and "clean-up 1499" not in run.stdout


def chain(length: int) -> ValueError:
    error = ValueError("the first")
    for number in range(length):
        following = ValueError(str(number))
        following.__context__ = error
        error = following
    return error


@pytest.mark.parametrize("length", [0, 1, NEAR - 1, NEAR])
def test_what_is_near_stays(length: int) -> None:
    error: BaseException = chain(length)
    cut(error)
    for _ in range(length):
        assert error.__context__ is not None
        error = error.__context__
    assert str(error) == "the first" and not hasattr(error, "__notes__")


def test_a_story_that_ends_in_itself() -> None:
    error = chain(3)
    group = ExceptionGroup("several", [error])
    error.__cause__ = group
    cut(group)
    assert error.__cause__ is group
