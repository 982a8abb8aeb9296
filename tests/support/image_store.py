"""An engine's images without the engine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def image_store(root: Path) -> Iterator[Images]:
    """The images of a root, recovered as an engine does at its start, and closed."""
    layout = Layout.for_root(root)
    store = Store(layout.database)
    images = Images(layout, store, lambda *event: None)
    images.recover()
    yield images
    images.close()
    store.close()
