"""An engine's images without the engine, and archives to fill them from."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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


def tar(files: Mapping[str, bytes]) -> bytes:
    """An archive of plain files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
