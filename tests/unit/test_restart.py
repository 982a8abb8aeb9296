from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.runtime.restart import Policy, Restart, checked, decide, decide_at_boot
from pycompose.grammar import restart


def policy_of(text: str) -> Policy:
    return checked(*restart.parse(text))


def test_negative_count() -> None:
    with pytest.raises(ValueError, match="negative"):
        checked("on-failure", -1)


@pytest.mark.parametrize(
    ("policy", "exit_code", "count", "restarts"),
    [
        ("no", 1, 0, False),
        ("no", None, 0, False),
        ("always", 0, 9, True),
        ("unless-stopped", 0, 9, True),
        ("on-failure", 0, 0, False),
        ("on-failure", 1, 99, True),
        ("on-failure", None, 0, True),
        ("on-failure:2", 1, 1, True),
        ("on-failure:2", 1, 2, False),
    ],
)
def test_decide(policy: str, exit_code: int | None, count: int, restarts: bool) -> None:
    assert (decide(policy_of(policy), exit_code, count, 0.0) is not None) is restarts


@given(st.sampled_from(["no", "always", "on-failure", "unless-stopped"]), st.none() | st.integers(0, 255))
def test_nothing_restarts_what_was_stopped_by_hand(name: str, exit_code: int | None) -> None:
    assert decide(Policy(name), exit_code, 0, 1.0, manually_stopped=True) is None


def test_backoff_doubles_to_a_minute() -> None:
    delays: list[float] = []
    previous = 0.0
    for _ in range(12):
        restart = decide(Policy("always"), 1, len(delays), 0.01, previous_delay=previous)
        assert restart is not None
        previous = restart.delay
        delays.append(previous)
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-2:] == [60.0, 60.0]


def test_a_steady_run_ends_the_series() -> None:
    assert decide(Policy("always"), 1, 7, 10.0, previous_delay=25.6) == Restart(0.1, 8)
    assert decide(Policy("always"), 1, 7, 9.99, previous_delay=25.6) == Restart(51.2, 8)


def test_an_own_delay_does_not_grow() -> None:
    assert decide(Policy("always", delay=5.0), 0, 0, 0.0) == Restart(5.0, 1)
    assert decide(Policy("always", delay=5.0), 0, 3, 0.0, previous_delay=5.0) == Restart(5.0, 4)


def test_a_run_as_long_as_the_window_begins_the_count_anew() -> None:
    policy = Policy("always", 2, window=30.0)
    assert decide(policy, 0, 2, 29.9) is None
    assert decide(policy, 0, 2, 30.0) == Restart(0.1, 1)
    assert decide(Policy("on-failure", 2, window=0.0), 1, 2, 99.0) is None, "every restart counts at once"


def test_attempts_for_any_condition_are_an_extension() -> None:
    assert checked("always", 3, window=0.0) == Policy("always", 3, None, 0.0)
    with pytest.raises(ValueError, match="negative"):
        checked("always", 0, delay=-1.0)


@pytest.mark.parametrize(
    ("name", "running", "manual", "code", "starts"),
    [
        ("no", True, False, None, False),
        ("always", False, True, 0, True),
        ("unless-stopped", True, False, None, True),
        ("unless-stopped", False, True, 0, False),
        ("on-failure", True, False, None, True),
        ("on-failure", False, False, 0, False),
        ("on-failure", False, False, 3, True),
        ("on-failure", False, True, 137, False),
    ],
)
def test_after_a_boot(name: str, running: bool, manual: bool, code: int | None, starts: bool) -> None:
    assert decide_at_boot(Policy(name), running, manual, code) is starts
