"""Signals against Docker's names and Linux's numbers."""

from __future__ import annotations

import signal

import pytest

from pycompose.grammar import signals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("KILL", 9),
        ("sigterm", 15),
        ("SIGTERM", 15),
        ("9", 9),
        ("SIGWINCH", 28),
        ("RTMIN", 34),
        ("RTMIN+3", 37),
        ("RTMIN+15", 49),
        ("SIGRTMAX-14", 50),
        ("SIGRTMAX-1", 63),
        ("rtmax", 64),
        ("STKFLT", 16),
        ("CLD", 17),
        ("POLL", 29),
        ("IOT", 6),
        ("300", 300),
    ],
)
def test_parse(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "SIGNONSENSE", "RTMIN+99", "RTMIN+16", "RTMAX-15", "RTMIN+x", "-9", " 9", "SIGRTMAX+1", "SIG", "٩"),
        # attributes of Python's signal module that are no signals
        *("SIG_SETMASK", "SIG_DFL", "_BLOCK", "SIGSIGTERM"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid signal"):
        signals.parse(text)


def test_numbers_are_the_kernels() -> None:
    for known in signal.Signals:
        assert signals.parse(known.name) == known.value and signals.is_known(known.value)
    assert not any(signals.is_known(number) for number in (0, 32, 33, 65))


def test_names() -> None:
    assert [signals.name(number) for number in (9, 6, 17, 37, 64, 32)] == [
        "SIGKILL",
        "SIGABRT",
        "SIGCHLD",
        "SIGRTMIN+3",
        "SIGRTMAX",
        "32",
    ]
