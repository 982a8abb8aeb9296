"""The engine's own read-only registry: what was offered can be pulled, by another engine too, and nothing else can be had."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from support.command import free_port
from support.engine_root import EngineRoot

from pycompose.engine.api.server import MOST_UNTRUSTED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


def ask(address: str, path: str, method: str = "GET") -> tuple[int, bytes, Any]:
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_images_that_were_offered_are_pulled(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    ref = f"{address}/shop/web:1"
    with EngineRoot(tmp_path / "one") as one, EngineRoot(tmp_path / "two") as two:
        one.import_busybox()
        with pytest.raises(OSError):
            ask(address, "/v2/")  # nobody listens before somebody asks for it
        assert one.request("POST", f"/images/busybox/tag?repo={address}/shop/web&tag=1")[0] == 201
        offered = one.json("POST", "/pycompose/pulls", {"address": address, "images": [ref]})
        assert one.json("POST", "/pycompose/pulls", {"address": address, "images": [ref]}) == offered
        digest = offered[ref]

        assert ask(address, "/v2/")[0] == 200
        status, manifest, headers = ask(address, "/v2/shop/web/manifests/1")
        assert (status, headers["Docker-Content-Digest"]) == (200, digest)
        assert ask(address, f"/v2/shop/web/manifests/{digest}")[1] == manifest
        status, empty, headers = ask(address, "/v2/shop/web/manifests/1", "HEAD")
        assert (status, empty, headers["Content-Length"]) == (200, b"", str(len(manifest)))

        # another engine pulls it by digest, and has the same image
        assert two.request("POST", f"/images/create?fromImage={address}/shop/web&tag={digest}")[0] == 200
        pulled = two.json("GET", f"/images/{address}/shop/web@{digest}/json")
        assert pulled["Id"] == one.json("GET", "/images/busybox/json")["Id"]

        # nothing else of the store, no other name, no other method
        blob = json.loads(manifest)["layers"][0]["digest"]
        assert ask(address, f"/v2/shop/web/blobs/{blob}")[0] == 200
        for path in (
            "/v2/library/busybox/manifests/latest",
            "/v2/shop/web/manifests/2",
            f"/v2/shop/other/blobs/{blob}",
            f"/v2/shop/web/blobs/sha256:{'0' * 64}",
            "/v2/shop/web/blobs/..%2F..%2Fx",
            "/v2/_catalog",
            "/containers/json",
            "/pycompose/engine",
        ):
            assert ask(address, path)[0] == 404, path
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert ask(address, "/v2/shop/web/manifests/1", method)[0] == 405

        for body, words in (
            ({"address": "nowhere", "images": []}, "is no HOST:PORT"),
            ({"address": address, "images": ["busybox"]}, "is no image of"),
            ({"address": address, "images": [f"{address}/gone"]}, "does not exist locally"),
            ({"address": "203.0.113.1:5000", "images": []}, "cannot assign requested address"),
            ({"address": address}, "where shall which images be served"),
        ):
            status, answer = one.request("POST", "/pycompose/pulls", body)
            assert status in (400, 404)
            assert words in answer.decode()
    with pytest.raises(OSError):
        ask(address, "/v2/")  # it ends with its engine


def test_silent_clients_keep_nobody_out(tmp_path: Path) -> None:
    """Whoever reaches the address may connect; the engine goes on, and so does whoever asks."""
    address = f"127.0.0.1:{free_port()}"
    host, _, port = address.rpartition(":")
    with EngineRoot(tmp_path / "one") as one, contextlib.ExitStack() as held:
        one.import_busybox()
        assert one.request("POST", f"/images/busybox/tag?repo={address}/web&tag=1")[0] == 201
        one.json("POST", "/pycompose/pulls", {"address": address, "images": [f"{address}/web:1"]})
        for _ in range(MOST_UNTRUSTED + 60):
            silent = held.enter_context(socket.create_connection((host, int(port)), timeout=10))
            silent.sendall(b"GET /v2/ HT")
        assert ask(address, "/v2/")[0] == 200
        assert ask(address, "/v2/web/manifests/1")[0] == 200
        held_open = len(os.listdir(f"/proc/{one.pid}/fd"))
        assert held_open < MOST_UNTRUSTED + 50
