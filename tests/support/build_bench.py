"""A bench for tests of the builder: an image store with a busybox image, a context directory, steps run in a chroot."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pycompose.engine.build.options import BuildOptions, DirectoryContext
from pycompose.engine.build.progress import StepCached, StepLog, StepStarted
from pycompose.engine.build.service import Builder
from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

from .busybox_image import busybox_rootfs
from .step_runner import ChrootRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycompose.engine.build.progress import Event


class Bench:
    """An image store with ``busybox``, a builder, and a context directory."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout.for_root(root / "engine")
        self.store = Store(self.layout.database)
        self.images = Images(self.layout, self.store, lambda *event: None)
        self.images.recover()
        self.images.import_rootfs(busybox_rootfs(), ref="busybox", changes=['CMD ["sh"]', "ENV BASE=yes"])
        self.runner = ChrootRunner()
        self.builder = Builder(self.images, self.runner, self.layout, self.store, lambda *event: None)
        self.context = root / "context"
        self.context.mkdir()
        self.events: list[Event] = []

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def build(self, text: str | None = None, **options: Any) -> str:
        self.events = []
        if text is not None:
            self.write({"Dockerfile": text})
        options.setdefault("context", DirectoryContext(self.context))
        return self.builder.build(BuildOptions(**options), self.events.append)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.builder.close()
        self.images.close()
        self.store.close()
        if kind is None:
            assert str(self.layout.root) not in Path("/proc/self/mountinfo").read_text()
            assert list((self.layout.build_cache / "work").glob("*")) == []
            assert list(self.layout.ingest.glob("*")) == []

    @property
    def ran(self) -> list[str]:
        """Texts of instructions that were really done."""
        skipped = {event.step for event in self.events if isinstance(event, StepCached)}
        skipped |= {event.step for event in self.events if isinstance(event, StepStarted) and event.kind == "internal"}
        return [e.text for e in self.events if isinstance(e, StepStarted) and e.step not in skipped]

    @property
    def output(self) -> str:
        return b"".join(event.data for event in self.events if isinstance(event, StepLog)).decode()

    def config(self, image: str) -> dict[str, Any]:
        return dict(self.images.resolve(image).config)

    @contextmanager
    def view(self, image: str) -> Iterator[Path]:
        with self.images.mounted(self.images.layer_paths(self.images.resolve(image))) as path:
            yield path

    def listing(self, image: str, below: str = "") -> dict[str, tuple[int, int, int, str]]:
        """(mode, uid, gid, content or link) of each file of an image below a directory."""
        found = {}
        with self.view(image) as root:
            top = root / below
            for path in sorted(top.rglob("*")):
                status = path.lstat()
                text = ""
                if stat.S_ISREG(status.st_mode) and status.st_size < 1 << 16:
                    text = path.read_text(errors="replace")
                elif stat.S_ISLNK(status.st_mode):
                    text = os.readlink(path)
                found[str(path.relative_to(top))] = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, text)
        return found
