"""Who stands by for ports has them before the other container ends, and no failure of that keeps it from ending."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pycompose.engine.containers.life import takeover
from pycompose.engine.errors import Conflict, EngineError, NotFound, Unavailable


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (NotFound("gone"), False),
        (Conflict("not running"), False),
        (Unavailable("No space left on device"), True),
        (EngineError("cannot take over"), True),
        (OSError(28, "No space left on device"), True),
    ],
)
def test_what_is_to_be_stopped_is_stopped(failure: Exception, told: bool) -> None:
    warnings: list[str] = []

    def get(id: str) -> Any:
        assert id == "new"
        raise failure

    containers: Any = SimpleNamespace(networks=SimpleNamespace(heir=lambda id: "new"), get=get, warn=warnings.append)
    container: Any = SimpleNamespace(id="old", name="web-1")
    asyncio.run(takeover.give_up(containers, container, 1.0))
    assert bool(warnings) == told
