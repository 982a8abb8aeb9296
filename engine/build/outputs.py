"""Where a build's result goes besides the image store: files in a directory or a tar, or an image archive.

The places are absolute paths on the engine's host, named by whoever may read any directory there as a context anyway.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidParameter, Unprocessable
from ..images.pack import pack
from ..images.pipeline import Produced
from ..images.unpack import unpack
from ..shapes import members
from .progress import StepNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..images.service import Images
    from .progress import Steps
    from .service import Trees

Kind = Literal["local", "tar", "oci", "docker"]
_KINDS: tuple[Kind, ...] = ("local", "tar", "oci", "docker")


@dataclass(frozen=True, slots=True)
class Output:
    """``local`` and ``tar`` are the result's files, ``oci`` and ``docker`` image archives; with ``unpacked`` an archive's members
    become files of the directory ``dest``."""

    kind: Kind
    dest: Path
    unpacked: bool = False


def parse_output(body: object) -> Output | None:
    """``{"type": "local", "dest": "/absolute", "tar": true}``; None for none. Raises InvalidParameter."""
    if body is None:
        return None
    given = members(body)
    kind = next((known for known in _KINDS if known == given.get("type")), None)
    if kind is None:
        raise InvalidParameter("output: want {type: local, tar, oci or docker, dest: absolute path}")
    dest = str(given.get("dest") or "")
    if not os.path.isabs(dest):
        raise InvalidParameter(f"output: {dest!r} is no absolute path")
    return Output(kind, Path(dest), unpacked=given.get("tar") is False)


def write_files(output: Output, images: Images, trees: Trees, steps: Steps) -> None:
    """Write the files of the layers (top-most first), of several platforms each in a directory of its own."""
    what = "directory" if output.kind == "local" else "tarball"
    with steps.internal(f"exporting to client {what}") as step, images.joined(trees) as root:
        try:
            if output.kind == "tar":
                with output.dest.open("wb") as file:
                    pack(root, file.write, layer=False)
            else:
                output.dest.mkdir(parents=True, exist_ok=True)
                with Produced(lambda write: pack(root, write, layer=False)) as produced:
                    unpack(produced, output.dest, layer=False)
        except OSError as error:
            raise Unprocessable(f"output {output.dest}: {error.strerror}") from error
        steps.emit(StepNote(step, f"copying files to {output.dest}"))


def write_archive(output: Output, images: Images, image: str, tags: Sequence[str]) -> None:
    """Write the image as an archive; one without names leaves the store afterwards."""
    form = "oci-archive" if output.kind == "oci" else "docker-archive"
    try:
        if output.unpacked:
            output.dest.mkdir(parents=True, exist_ok=True)
            with Produced(lambda write: images.archive(image, tags, write, form)) as produced:
                unpack(produced, output.dest, layer=False)
        else:
            with output.dest.open("wb") as file:
                images.archive(image, tags, file.write, form)
    except OSError as error:
        raise Unprocessable(f"output {output.dest}: {error.strerror}") from error
    finally:
        if not tags and not images.resolve(image).repo_tags:
            images.remove(image, in_use=lambda _: ())
