"""What becomes of a build's result: the exporters of BuildKit that clients ask for.

    local, tar    files, sent to the client          oci, docker   an archive, sent to the client,
                                                                   or with tar=false a directory of the client's
    image, moby   names in the store, and a push when it is asked for

All of it blocks: run it in threads.
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...grammar import sizes
from ..build.progress import StepNote, StepStatus
from ..errors import InvalidParameter, NotImplemented_
from ..images import reference
from .frontend import logins
from .lent import SentFile, send_directory
from .stores import LentStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from ..build.progress import Steps
    from ..build.service import Export, Trees
    from ..images.service import Images
    from .lent import Lender

FILES = ("local", "tar")
ARCHIVES = ("oci", "docker")
IMAGES = ("moby", "image")
_BUFFER = 256 << 10
_EXPORT = "export"  # the client's content store of an output that is a directory
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class Exporter:
    """One output of one build, the one with ``number`` of all."""

    kind: str
    attributes: Mapping[str, str]
    images: Images
    lender: Lender
    number: int = 0

    def check(self) -> None:
        """Raises NotImplemented_, InvalidParameter before anything is built."""
        if self.kind not in (*FILES, *ARCHIVES, *IMAGES):
            raise NotImplemented_(
                f"the {self.kind} exporter is not offered by this engine; image, oci, docker, local and tar are"
            )
        if self.kind in IMAGES and any(reference.parse(name).digest for name in self.names):
            raise InvalidParameter("refusing to create a tag with a digest reference")
        if self.by_digest and not (self.pushes and self.names):
            raise InvalidParameter("push-by-digest needs push=true and a name")

    @property
    def names(self) -> tuple[str, ...]:
        given = filter(None, self.attributes.get("name", "").split(","))
        return tuple(str(reference.parse(name).with_default_tag) for name in given)

    @property
    def pushes(self) -> bool:
        return self.attributes.get("push") in _TRUE

    @property
    def by_digest(self) -> bool:
        return self.attributes.get("push-by-digest") in _TRUE

    @property
    def tags(self) -> tuple[str, ...]:
        """Names that the image gets in the store."""
        return () if self.kind not in IMAGES or self.by_digest else self.names

    # files -----------------------------------------------------------------------------------------------------------
    def files(self) -> Export:
        return self._local if self.kind == "local" else self._tar

    def _local(self, trees: Trees, steps: Steps) -> None:
        with steps.internal("exporting to client directory") as step, self.images.joined(trees) as root:
            size = send_directory(self.lender, root, self.number)
            steps.emit(StepNote(step, f"copying files {sizes.decimal(size)}"))

    def _tar(self, trees: Trees, steps: Steps) -> None:
        with steps.internal("exporting to client tarball") as step:
            self._send(partial(self.images.export_trees, trees))
            steps.emit(StepNote(step, "sending tarball"))

    def _send(self, write: Callable[[BinaryIO], None]) -> None:
        raw = SentFile(self.lender, self.number)
        with io.BufferedWriter(raw, _BUFFER) as out:
            write(out)
        raw.finish()

    # archives --------------------------------------------------------------------------------------------------------
    def archive(self, image: str, steps: Steps) -> dict[str, str]:
        """Send an image, or the index that it was built with."""
        form = f"{self.kind}-archive"
        names = [reference.parse(name).familiar for name in self.names]
        with steps.internal(f"exporting to {self.kind} image format") as step:
            if self.attributes.get("tar") in _FALSE:
                descriptor = LentStore(self.lender, _EXPORT).put_image(self.images, image, names)
                return self.answer(image, str(descriptor["digest"]), descriptor)
            self._send(lambda out: self.images.archive(image, names, out.write, form))
            steps.emit(StepNote(step, "sending tarball"))
        return self.answer(image, self.images.index_of(image))

    # images ----------------------------------------------------------------------------------------------------------
    def push(self, image: str, steps: Steps) -> str:
        """Push the image under its names; the digest that it has at the registry."""
        digest, known = "", logins(self.lender)
        for name in self.names:
            with steps.internal(f"pushing {name}") as step:
                push = partial(self.images.push_by_digest, image) if self.by_digest else self.images.push
                domain = reference.parse(name).domain
                tell = partial(_tell, steps, step)
                digest = push(name, auth=known.get(domain), progress=tell)
                steps.emit(StepNote(step, f"pushing manifest for {name}@{digest}"))
        return digest

    def answer(self, image: str, digest: str, described: Mapping[str, object] | None = None) -> dict[str, str]:
        """What the client is told: ``digest`` is the index's or the pushed manifest's, "" where there is none yet."""
        answer = {"containerimage.digest": digest or image, "containerimage.config.digest": image}
        if described is None and digest:
            described = self.images.described(digest)
        if described is not None:
            answer["containerimage.descriptor"] = b64encode(json.dumps(described).encode()).decode("ascii")
        if self.names:
            shown = [f"{reference.parse(name).name}@{digest}" if self.by_digest else name for name in self.names]
            answer["image.name"] = ",".join(shown)
        return answer


def _tell(steps: Steps, step: int, status: object) -> None:
    steps.emit(StepStatus(step, status))  # type: ignore[arg-type]
