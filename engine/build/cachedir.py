"""Cache import and export: ``--cache-from`` and ``--cache-to`` with a directory, and caches carried inside of images.

A directory holds ``index.json`` ({"records": {key: {"diff_id", "parent", "text", "created"}}}) and the layers' tars as
zstd files by diff ID under ``blobs/sha256/``. Keys name content, so a cache can be shared between machines; a layer that
does not match its digest is not used. An image carries its records in the ``pycompose.cache.v0`` member of its
configuration; its layers are its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import EngineError, InvalidParameter, NotFound
from ..shapes import decode, members
from .dockerfile.values import csv_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..images.bodies import CachedStep, ImageConfig
    from ..images.service import Images
    from ..images.types import Image, Layer
    from .cache import CacheRecord

MEMBER: Final = "pycompose.cache.v0"
_LARGEST_INDEX = 64 << 20


@dataclass(frozen=True, slots=True)
class CacheTarget:
    """One ``--cache-from`` or ``--cache-to``: a ``local`` directory, one of a ``client``, an ``inline`` cache, or a ``registry`` image. With ``everything``
    (mode=max) the layers of all stages go to the registry, else those of the result; a directory gets all in any case."""

    kind: str
    place: str
    everything: bool = False


def parse_cache(text: str) -> CacheTarget:
    """``type=local,dest=/path``, ``type=inline``, ``type=registry,ref=name`` or a plain image reference."""
    if "=" not in text:
        return CacheTarget("registry", text)
    try:
        fields = dict(field.partition("=")[::2] for field in csv_fields(text))
    except ValueError as error:
        raise InvalidParameter(f"invalid cache option {text!r}: {error}") from None
    kind = fields.get("type", "")
    place = fields.get("dest") or fields.get("src") or fields.get("ref") or ""
    if kind == "local" and not os.path.isabs(place):
        raise InvalidParameter(f"cache option {text!r}: type=local needs an absolute directory (src= or dest=)")
    if kind == "registry" and not place:
        raise InvalidParameter(f"cache option {text!r}: type=registry needs ref=")
    if kind not in ("local", "inline", "registry", "client"):
        raise InvalidParameter(f"cache option {text!r}: type {kind!r} is not supported (local, inline, registry are)")
    if fields.get("mode", "min") not in ("min", "max"):
        raise InvalidParameter(f"cache option {text!r}: mode is min or max")
    return CacheTarget(kind, place, fields.get("mode") == "max")


class CacheStores:
    """The imported caches of one build, and the records it has used so far, for export."""

    def __init__(self, images: Images, warn: Callable[[str], None]) -> None:
        self._images, self._warn = images, warn
        self._imported: dict[str, tuple[Mapping[str, object], Path | None]] = {}
        self.used: dict[str, CacheRecord] = {}

    def load(self, sources: Iterable[str], pull: Callable[[str], Image]) -> None:
        """Read the indexes; a cache that cannot be read is a warning, not an error."""
        for text in sources:
            target = parse_cache(text)
            try:
                if target.kind == "local":
                    self._load_directory(Path(target.place))
                elif target.kind == "registry":
                    self._load_image(pull(target.place).config)
            except (EngineError, OSError, ValueError, TypeError, AttributeError) as error:
                self._warn(f"failed to import cache from {text}: {error}")

    def _load_directory(self, path: Path) -> None:
        with (path / "index.json").open("rb") as file:
            index = decode(file.read(_LARGEST_INDEX).decode("utf-8", "replace"))
        for key, body in members(members(index).get("records")).items():
            self._imported.setdefault(key, (members(body), path))

    def _load_image(self, config: ImageConfig) -> None:
        for key, body in members(config.get(MEMBER)).items():
            self._imported.setdefault(key, (members(body), None))

    def find(self, key: str, parents: Sequence[Layer]) -> tuple[Layer | None, float, str] | None:
        """(layer, created, text) of an imported record, its layer brought into the store."""
        if key not in self._imported:
            return None
        body, path = self._imported[key]
        created, text = body.get("created"), str(body.get("text") or "")
        created = float(created) if isinstance(created, int | float) else 0.0
        diff_id = body.get("diff_id")
        if diff_id is None:
            return None, created, text
        try:
            layer = self._layer(str(diff_id), path, parents)
        except (EngineError, OSError) as error:
            self._warn(f"imported cache: {text}: {error}")
            return None
        return None if layer is None else (layer, created, text)

    def _layer(self, diff_id: str, path: Path | None, parents: Sequence[Layer]) -> Layer | None:
        if path is None:
            # The image's layers lie in the store; this one counts only atop the same parents.
            found = None
            for image in self._images.list():
                chain = image.layers[: len(parents) + 1]
                if len(chain) > len(parents) and chain[-1].diff_id == diff_id and chain[:-1] == tuple(parents):
                    return chain[-1]
                found = found or next((layer for layer in image.layers if layer.diff_id == diff_id), None)
            return None if found is None else self._images.restack(found, parents)
        name = diff_id.removeprefix("sha256:")
        if len(name) != 64 or name.strip("0123456789abcdef"):
            raise NotFound(f"bad digest {diff_id!r}")
        with (path / "blobs" / "sha256" / f"{name}.tar.zst").open("rb") as stream:
            layer = self._images.apply_layer(stream, parents)
        if layer.diff_id != diff_id:
            raise NotFound(f"layer {diff_id} has the digest {layer.diff_id}")
        return layer

    def all_layers(self, below: Sequence[Layer]) -> list[Layer]:
        """``below`` and, atop it, every other layer that the build used: an image of no use but to carry them."""
        layers = list(below)
        for record in self.used.values():
            if record.layer is not None and record.layer.diff_id not in {layer.diff_id for layer in layers}:
                layers.append(self._images.restack(record.layer, layers))
        return layers

    # export --------------------------------------------------------------------------------------------------------
    def index(self) -> dict[str, CachedStep]:
        return {
            key: {
                "diff_id": record.layer.diff_id if record.layer else None,
                "parent": record.parent,
                "text": record.text,
                "created": record.created,
            }
            for key, record in sorted(self.used.items())
        }

    def export(self, path: Path) -> None:
        """Write the used records and their layers to a directory; what lies there already is kept and added to."""
        import zstandard  # here: few builds export

        from ..images.pack import pack

        blobs = path / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for record in self.used.values():
            if record.layer is None:
                continue
            target = blobs / f"{record.layer.diff_id.removeprefix('sha256:')}.tar.zst"
            if target.exists():
                continue
            partial = target.with_suffix(f".{os.urandom(4).hex()}")
            with partial.open("xb") as file, zstandard.ZstdCompressor().stream_writer(file, closefd=False) as out:
                pack(self._images.layer_path(record.layer), out.write, layer=True)
            os.rename(partial, target)
        index = path / "index.json"
        records: Mapping[str, object] = {}
        if index.exists():
            records = members(members(json.loads(index.read_bytes())).get("records"))
        partial = path / f".index.{os.urandom(4).hex()}"
        partial.write_text(json.dumps({"records": {**records, **self.index()}}, indent=1))
        os.rename(partial, index)
