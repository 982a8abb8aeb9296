"""One engine for the soak tests, with fixtures that say what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("soak")) as running:
        running.import_busybox()
        yield running
        assert "Traceback" not in running.log(), running.log()
