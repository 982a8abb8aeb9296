"""``GET /metrics`` in Prometheus' text format (version 0.0.4): containers, loop delay, requests, pulls, builds, disk.

Offered only where the configuration has ``metrics-addr``: there, by plain HTTP and nothing else, and on the engine's socket.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from ...version import __version__
from ..configuration import ConfigurationError
from ..errors import NotFound
from .http import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..meters import Histogram, Operations
    from .daemon import Daemon
    from .http import Request

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BACKLOG = 64

Sample = tuple[str, "Mapping[str, str]", float]
"""What follows the family's name, labels, value."""


def listen(address: tuple[str, int]) -> socket.socket:
    """The listening socket of ``metrics-addr``. Raises ConfigurationError."""
    host, port = address
    try:
        return socket.create_server(
            address, family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigurationError(f"metrics-addr: listen tcp {host}:{port}: bind: {words}") from None


class MetricsApplication:
    """What is served at ``metrics-addr``: /metrics, and nothing else of the engine."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def __call__(self, request: Request) -> Response:
        if request.path.rstrip("/") != "/metrics":
            return Response.text("the metrics are at /metrics\n", 404)
        if request.method != "GET":
            return Response.text("only GET is offered\n", 405)
        return await answer(self._daemon)


async def metrics(daemon: Daemon, request: Request) -> Response:
    """The route on the engine's own socket."""
    if not daemon.shows_metrics:
        raise NotFound("page not found")
    return await answer(daemon)


async def answer(daemon: Daemon) -> Response:
    disk = await daemon.containers.blocking(os.statvfs, daemon.layout.state)
    layers = await daemon.containers.blocking(_layer_bytes, daemon)
    return Response(200, "".join(_text(daemon, disk, layers)).encode(), [("Content-Type", TYPE)])


def _layer_bytes(daemon: Daemon) -> tuple[int, int]:
    """How many images there are, and the bytes of their layers, each counted once."""
    images = daemon.images.list()
    sizes = {layer.chain_id: layer.size for image in images for layer in image.layers}
    return len(images), sum(sizes.values())


def _text(daemon: Daemon, disk: os.statvfs_result, images: tuple[int, int]) -> Iterator[str]:
    meters = daemon.meters
    yield from family("pycompose_engine_info", "gauge", "The engine's version.", [("", {"version": __version__}, 1)])
    yield from family(
        "pycompose_containers",
        "gauge",
        "Containers by state.",
        [("", {"state": state}, count) for state, count in daemon.containers.counts().items()],
    )
    if daemon.turns is not None:
        yield from histogram("pycompose_loop_turn_seconds", "How long the event loop's turns took.", daemon.turns)
    yield from family(
        "pycompose_requests_total",
        "counter",
        "Answered requests of the API by method and status.",
        [
            ("", {"method": method, "status": str(status)}, count)
            for (method, status), count in sorted(meters.requests.items())
        ],
    )
    yield from histogram(
        "pycompose_request_seconds", "How long requests took, streams left out.", meters.request_seconds
    )
    yield from operations("pull", "Pulls of images", meters.pulls)
    yield from operations("build", "Builds of images", meters.builds)
    yield from family("pycompose_images", "gauge", "Images.", [("", {}, images[0])])
    yield from family("pycompose_image_layer_bytes", "gauge", "Bytes of all images' layers.", [("", {}, images[1])])
    for name, blocks in (("size", disk.f_blocks), ("available", disk.f_bavail)):
        text = f"Bytes of the file system that has the engine's state, {name}."
        yield from family(f"pycompose_disk_{name}_bytes", "gauge", text, [("", {}, blocks * disk.f_frsize)])


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """One family of metrics: its help, its type, its samples."""
    yield f"# HELP {name} {_escaped(text)}\n# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        pairs = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels.items())
        yield f"{name}{suffix}{f'{{{pairs}}}' if pairs else ''} {value:.15g}\n"


def histogram(name: str, text: str, values: Histogram) -> Iterator[str]:
    """Counts are cumulative, as Prometheus wants them."""
    samples: list[Sample] = []
    total = 0
    bounds: Sequence[str] = [*(f"{bound:g}" for bound in values.bounds), "+Inf"]
    for bound, count in zip(bounds, values.counts, strict=True):
        total += count
        samples.append(("_bucket", {"le": bound}, total))
    yield from family(name, "histogram", text, [*samples, ("_sum", {}, values.total), ("_count", {}, total)])


def operations(kind: str, text: str, counted: Operations) -> Iterator[str]:
    name = f"pycompose_{kind}s"
    results: list[Sample] = [
        ("", {"result": "success"}, counted.succeeded),
        ("", {"result": "failure"}, counted.failed),
    ]
    yield from family(f"{name}_total", "counter", f"{text} by result.", results)
    yield from family(f"{name}_active", "gauge", f"{text} under way.", [("", {}, counted.active)])
    yield from family(
        f"pycompose_{kind}_seconds_total", "counter", f"Seconds of all {kind}s.", [("", {}, counted.seconds)]
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
