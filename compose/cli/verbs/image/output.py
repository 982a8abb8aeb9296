"""``--output`` of `pycompose image build`, what standard input holds, and the file of ``--metadata-file``."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from ...flags.parser import FlagError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....build.trees import BuildOutput

_TAR_BLOCK = 512
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


@contextmanager
def outputs(texts: Sequence[str]) -> Iterator[BuildOutput | None]:
    """The engine's ``output`` of a build, None for the image store. What goes to ``-`` is written to standard output at the end.

    Takes ``type=local|tar|oci|docker|image[,dest=PATH][,tar=false]``, a directory, or ``-``. ``rewrite-timestamp`` is taken and
    means nothing: with SOURCE_DATE_EPOCH times are always clamped. Raises FlagError.
    """
    wanted = [one for one in map(_parse, texts) if one is not None]
    if len(wanted) > 1:
        raise FlagError("--output: one build has one output with a dest")
    if not wanted:
        yield None
        return
    if wanted[0]["dest"] != "-":
        yield wanted[0]
        return
    if sys.stdout.isatty():
        raise FlagError("--output: the terminal is no place for a tar: give a dest, or redirect standard output")
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "output.tar")
        yield {**wanted[0], "dest": path}
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()


def _parse(text: str) -> BuildOutput | None:
    if "=" not in text:
        return {"type": "tar", "dest": "-"} if text == "-" else {"type": "local", "dest": os.path.abspath(text)}
    parts = dict(item.partition("=")[::2] for item in text.split(","))
    kind = parts.get("type", "")
    unknown = sorted(parts.keys() - {"type", "dest", "tar", "rewrite-timestamp"})
    if kind not in ("local", "tar", "oci", "docker", "image"):
        raise FlagError(f"--output {text}: type local, tar, oci, docker or image")
    if unknown:
        raise FlagError(f"--output {text}: unknown {', '.join(unknown)}")
    dest = parts.get("dest", "")
    if kind in ("docker", "image") and not dest:
        return None
    if kind == "image":
        raise FlagError(f"--output {text}: type=image goes to the image store and has no dest")
    if kind == "local" and dest in ("", "-"):
        raise FlagError(f"--output {text}: type=local needs dest=DIRECTORY")
    dest = dest or "-"
    found: BuildOutput = {"type": kind, "dest": dest if dest == "-" else os.path.abspath(dest)}
    if parts.get("tar") == "false":
        if kind not in ("oci", "docker") or dest == "-":
            raise FlagError(f"--output {text}: tar=false is for type=oci and type=docker with a dest")
        found["tar"] = False
    return found


@contextmanager
def standard_input(file: BinaryIO) -> Iterator[tuple[str | None, str | None]]:
    """(Dockerfile, path of a tar): standard input is one or the other. The file of the tar is gone afterwards."""
    head = file.read(_TAR_BLOCK)
    if not head.startswith(_COMPRESSED) and head[257:262] != b"ustar":
        yield (head + file.read()).decode("utf-8", "surrogateescape"), None
        return
    import shutil
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="pycompose-context-") as spool:
        spool.write(head)
        shutil.copyfileobj(file, spool)
        spool.flush()
        yield None, spool.name


def write_metadata(path: str, image: str, tags: Sequence[str]) -> None:
    """What buildx writes of a build into the image store."""
    found: dict[str, str] = {}
    if image:
        found = {"containerimage.config.digest": image, "containerimage.digest": image}
    if tags:
        found["image.name"] = ",".join(tags)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
        file.write("\n")
