"""Compose files and what becomes of them: JSON equal to Docker Compose's, or our message where both refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.compose_cases import ORACLE, Case, cases, load

if TYPE_CHECKING:
    from pathlib import Path

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path, update_golden: bool) -> None:
    result, message = load(case, case.copy(tmp_path))
    expected = case.expected()
    if result is not None:
        assert result == expected
        return
    assert expected is None, message
    golden = case.source / "expected.txt"
    if update_golden:
        golden.write_text(message)
    assert message == golden.read_text()


@pytest.mark.slow
@pytest.mark.skipif(ORACLE is None, reason="Docker Compose 2.26 is not installed")
@pytest.mark.parametrize("case", [case for case in CASES if case.asks_oracle], ids=lambda case: case.name)
def test_docker_compose_says_the_same(case: Case, tmp_path: Path) -> None:
    code, output, error = case.ask(case.copy(tmp_path))
    expected = case.expected()
    if expected is None:
        assert code != 0
    else:
        assert code == 0, error
        assert output + "\n" == expected
