"""Manifests, platforms, ``--change`` instructions, history and filters: the pure parts around images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pycompose.engine.errors import InvalidParameter, NotFound
from pycompose.engine.images import manifest, shapes
from pycompose.engine.images.changes import apply_changes
from pycompose.engine.images.manifest import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    InvalidManifest,
)
from pycompose.engine.images.progress import Reporter, bar
from pycompose.engine.images.types import Auth, Image, Layer, Platform


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def test_platforms() -> None:
    assert str(Platform.parse("linux/amd64")) == "linux/amd64"
    assert str(Platform.parse("linux/aarch64")) == "linux/arm64"
    assert str(Platform.parse("linux/arm64/v8")) == "linux/arm64"
    assert str(Platform.parse("linux/arm")) == "linux/arm/v7"
    assert Platform.parse("amd64").os == "linux"
    assert Platform.parse("linux").os == "linux"
    for text in ("", "a/b/c/d", "linux//"):
        with pytest.raises(InvalidParameter):
            Platform.parse(text)


def index(*platforms: dict[str, str]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": digest("abcdef"[i]), "size": 1, "platform": platform}
            for i, platform in enumerate(platforms)
        ],
    }


def test_choice_of_a_platform() -> None:
    value = index(
        {"os": "unknown", "architecture": "unknown"},
        {"os": "linux", "architecture": "arm", "variant": "v6"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "linux", "architecture": "amd64", "variant": "v3"},
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    )
    choose = manifest.select
    assert choose(value, Platform("linux", "amd64"), "x").digest == digest("e")
    assert choose(value, Platform("linux", "arm64"), "x").digest == digest("f")
    assert choose(value, Platform("linux", "arm", "v7"), "x").digest == digest("c")
    assert choose(value, Platform("linux", "arm", "v6"), "x").digest == digest("b")
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        choose(value, Platform("linux", "s390x"), "x")
    with pytest.raises(InvalidManifest):
        choose({"manifests": ["x"]}, Platform("linux", "amd64"), "x")


def image_manifest(**changes: Any) -> dict[str, Any]:
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest("a"), "size": 10},
        "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": digest("b"), "size": 20}],
    }
    return {**value, **changes}


def test_manifest() -> None:
    found = manifest.manifest(image_manifest(), OCI_MANIFEST, "x")
    assert found.config.digest == digest("a")
    assert [layer.size for layer in found.layers] == [20]
    assert manifest.kind({"layers": []}) == OCI_MANIFEST
    assert manifest.kind({"manifests": []}) == OCI_INDEX
    assert manifest.kind({}, f"{DOCKER_MANIFEST}; charset=utf-8") == DOCKER_MANIFEST
    assert manifest.is_index(manifest.kind({"manifests": []}))


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": {"mediaType": OCI_CONFIG, "digest": "sha256:../../x", "size": 1}},
        {"config": {"mediaType": OCI_CONFIG, "digest": digest("a"), "size": -1}},
        {"config": {"mediaType": OCI_CONFIG, "digest": digest("a"), "size": True}},
        {"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest("a"), "size": 1}},
        {"layers": None},
        {"layers": [1]},
        {"layers": [{"mediaType": "text/plain", "digest": digest("b"), "size": 1}]},
        {"layers": [{"mediaType": OCI_LAYER, "digest": digest("b"), "size": 1}] * 1001},
        {"manifests": []},
    ],
)
def test_manifests_that_are_no_images(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidManifest):
        manifest.manifest(image_manifest(**changes), OCI_MANIFEST, "x")


def test_schema_1_is_named() -> None:
    value = {"schemaVersion": 1, "fsLayers": []}
    with pytest.raises(InvalidManifest, match="schema 1 is not supported"):
        manifest.manifest(value, manifest.kind(value), "x")


def test_configurations() -> None:
    good = {"rootfs": {"type": "layers", "diff_ids": [digest("a")]}}
    assert manifest.diff_ids(good, 1, "x") == (digest("a"),)
    bad: list[dict[str, Any]] = [
        {},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": "x"}},
        {**good, "config": 1},
    ]
    for value in [*bad, {**good, "history": [1]}]:
        with pytest.raises(InvalidManifest):
            manifest.diff_ids(value, 1, "x")
    with pytest.raises(InvalidManifest, match="2 layers, but 1 diff"):
        manifest.diff_ids(good, 2, "x")
    for data in (b"", b"[1]", b"{", b"[" * 100_000):
        with pytest.raises(InvalidManifest):
            manifest.document(data, "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Env", "A=1"),
        ("Env", [1]),
        ("Cmd", "sh"),
        ("Entrypoint", {"a": "b"}),
        ("User", 0),
        ("WorkingDir", ["/"]),
        ("WorkingDir", "/a\0b"),
        ("Labels", ["a"]),
        ("Labels", {"a": 1}),
        ("Volumes", ["/x"]),
        ("ExposedPorts", "80"),
        ("Healthcheck", []),
        ("Healthcheck", {"Interval": "3s"}),
        ("OnBuild", "RUN x"),
    ],
)
def test_configurations_that_would_break_a_container(name: str, value: object) -> None:
    with pytest.raises(InvalidManifest, match=f"configuration's {name} is malformed"):
        manifest.diff_ids({"rootfs": {"diff_ids": []}, "config": {name: value}}, 0, "x")
    manifest.diff_ids({"rootfs": {"diff_ids": []}, "config": {name: None, "Other": value}}, 0, "x")


def test_encoding_is_stable() -> None:
    config = manifest.Descriptor(DOCKER_CONFIG, digest("a"), 1)
    data = manifest.encode(config, [manifest.Descriptor(f"{DOCKER_LAYER}.gzip", digest("b"), 2)])
    assert data == manifest.encode(config, [manifest.Descriptor(f"{DOCKER_LAYER}.gzip", digest("b"), 2)])
    assert manifest.manifest(json.loads(data), DOCKER_MANIFEST, "x").layers[0].digest == digest("b")


def test_changes() -> None:
    config = apply_changes(
        {"Env": ["A=1", "B=2"], "Labels": {"x": "y"}},
        [
            "ENTRYPOINT exec top -b",
            'CMD ["sh", "-c", "true"]',
            "env B=3 C='x y'",
            "ENV D one two",
            "EXPOSE 80 443/udp 90-92/TCP",
            "LABEL a=b",
            "USER www",
            "VOLUME /data /more",
            "WORKDIR /srv",
            "WORKDIR sub",
            "STOPSIGNAL SIGQUIT",
            "ONBUILD RUN true",
            "HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f http://localhost",
        ],
    )
    assert config["Cmd"] == ["sh", "-c", "true"]
    assert config["Entrypoint"] == ["/bin/sh", "-c", "exec top -b"]
    assert config["Env"] == ["A=1", "B=3", "C=x y", "D=one two"]
    assert set(config["ExposedPorts"]) == {"80/tcp", "443/udp", "90/tcp", "91/tcp", "92/tcp"}
    assert config["Labels"] == {"x": "y", "a": "b"}
    assert config["Volumes"] == {"/data": {}, "/more": {}}
    assert config["WorkingDir"] == "/srv/sub"
    assert config["OnBuild"] == ["RUN true"]
    assert config["Healthcheck"] == {
        "Interval": 90 * 10**9,
        "Retries": 2,
        "Test": ["CMD-SHELL", "curl -f http://localhost"],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUN true", "run is not a valid change command"),
        ("USER", "USER requires at least one argument"),
        ('CMD ["a", 1]', "arrays must be comprised of strings only"),
        ("VOLUME []", "VOLUME requires at least one argument"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
        ("EXPOSE 99999", "invalid containerPort: 99999"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", "can't find ="),
        ("LABEL 'x", "invalid change"),
        ('SHELL ["sh"]', "shell is not a valid change command"),
        (" ", "file with no instructions"),
        ("HEALTHCHECK FOO x", "unknown type"),
        ("HEALTHCHECK --interval=x CMD true", "invalid duration"),
    ],
)
def test_refused_changes(line: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        apply_changes({}, [line])


def test_changes_know_what_env_has_set() -> None:
    lines = ["ENV B=$A", "WORKDIR /x/${B}", "WORKDIR ../$NONE${NONE:-y}${A:+z}", "USER '$A'", "LABEL l=\\$A", "CMD $A"]
    config = apply_changes({"Env": ["A=1"]}, lines)
    assert config["Env"] == ["A=1", "B=1"] and config["WorkingDir"] == "/x/yz"
    assert config["User"] == "'$A'" and config["Labels"] == {"l": "$A"}
    assert config["Cmd"] == ["/bin/sh", "-c", "$A"]


@pytest.mark.parametrize(
    ("lines", "command"),
    [(["ENTRYPOINT y"], None), (["ENTRYPOINT y", "CMD x"], ["x"]), (["CMD x", "ENTRYPOINT y"], ["x"]), (["ENTRYPOINT"], None), (["CMD"], [])],
)  # fmt: skip
def test_a_new_entrypoint_has_not_the_old_ones_command(lines: list[str], command: list[str] | None) -> None:
    found = apply_changes({"Cmd": ["old"]}, lines).get("Cmd")
    assert found == command or (found or [])[2:] == command


def image(name: str, created: str, labels: dict[str, str] | None = None) -> Image:
    config = {
        "created": created,
        "config": {"Labels": labels or {}},
        "history": [
            {"created": created, "created_by": "base"},
            {"created": created, "created_by": "ENV", "empty_layer": True},
            {"created_by": "COPY"},
        ],
    }
    layers = (Layer(digest("a"), digest("a"), 10), Layer(digest("b"), digest("c"), 5))
    return Image(digest("d"), config, layers, (name,) if name else (), size=15, created=created)


def test_shapes() -> None:
    one = image("debian:12", "2024-05-06T07:08:09.123456789Z", {"k": "v"})
    assert shapes.summary(one)["Created"] == 1714979289
    entries = shapes.history(one)
    assert [entry["Size"] for entry in entries] == [5, 0, 10]
    assert entries[0]["Id"] == one.id and entries[1]["Id"] == "<missing>"
    assert entries[0]["Tags"] == ["debian:12"]
    found = shapes.inspect(one, [], 0)
    assert found["RootFS"]["Layers"] == [digest("a"), digest("b")]
    assert found["Config"]["Labels"] == {"k": "v"} and found["Config"]["Env"] is None


def test_filters() -> None:
    old = image("debian:12", "2024-01-01T00:00:00Z", {"k": "v"})
    new = image("registry.example/a/b:1", "2024-06-01T00:00:00+02:00")
    bare = image("", "2024-07-01T00:00:00Z")
    everything = [old, new, bare]

    def names(**filters: list[str]) -> list[tuple[str, ...]]:
        found = shapes.selected(everything, {k.replace("_not", "!"): v for k, v in filters.items()}, lambda ref: new)
        return [item.repo_tags for item in found]

    assert names(dangling=["true"]) == [()]
    assert names(label=["k"]) == [("debian:12",)] == names(label=["k=v"])
    assert names(label=["k=w"]) == []
    assert names(label_not=["k"]) == [new.repo_tags, ()]
    assert names(before=["x"]) == [("debian:12",)]
    assert names(since=["x"]) == [()]
    assert names(reference=["debian"]) == names(reference=["deb*:1?"]) == [("debian:12",)]
    assert names(reference=["registry.example/*/b"]) == [new.repo_tags]
    assert names(reference=["registry.example/*"]) == []
    assert names(until=["2024-02-01"]) == [("debian:12",)]
    assert names(until=["24h"]) == [("debian:12",), new.repo_tags, ()]
    for pattern in ("[", "a[", "a[]", "a\\", "a/[^]"):
        with pytest.raises(InvalidParameter, match="syntax error in pattern"):
            shapes.selected([], {"reference": [pattern]}, lambda ref: new)
    assert names(reference=["[a-d]ebian", "\\d"]) == [("debian:12",)]
    for bad in ({"foo": ["x"]}, {"dangling": ["maybe"]}):
        with pytest.raises(InvalidParameter, match=r"(?i)invalid filter"):
            shapes.selected(everything, bad, lambda ref: new)
    with pytest.raises(InvalidParameter, match=r'^failed to parse value as time or duration: "soon"$'):
        shapes.selected(everything, {"until": ["soon"]}, lambda ref: new)


def test_progress_is_thinned() -> None:
    seen: list[dict[str, Any]] = []
    report = Reporter(seen.append)
    for done in range(0, 1001, 10):
        report.counter("Downloading", "a", done, 1000)
    assert seen[-1]["progressDetail"] == {"current": 1000, "total": 1000}
    assert len(seen) < 20
    assert bar(500, 1000).startswith("[=========================>")


def test_credentials_are_not_shown() -> None:
    assert "secret" not in repr(Auth("joe", "secret", "secret", "secret"))
    assert not Auth() and Auth(identity_token="x")
