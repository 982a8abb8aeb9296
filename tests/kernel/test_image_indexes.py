"""Images of several platforms under one name: built, kept, pushed to a real registry, pulled in part, saved and loaded, removed."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from support.build_bench import Bench
from support.registry import available, registry

from pycompose.engine.build.options import TarContext
from pycompose.engine.errors import Conflict, EngineError, NotFound
from pycompose.engine.images.manifest import OCI_INDEX, OCI_MANIFEST
from pycompose.engine.images.types import ImageUser, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root
real = pytest.mark.skipif(not available(), reason="docker-registry is not installed")

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
CROSS = """FROM --platform=$BUILDPLATFORM busybox AS tools
RUN echo made once > /common
FROM scratch
ARG TARGETARCH
COPY --from=tools /common /common
COPY for-$TARGETARCH /program
ENTRYPOINT ["/program"]
"""
BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    (tmp_path / "one").mkdir()
    with Bench(tmp_path / "one") as made:
        made.write({"for-amd64": "a program", "for-arm64": "another program"})
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "two").mkdir()
    with Bench(tmp_path / "two") as made:
        yield made


def get(address: str, path: str) -> tuple[bytes, str]:
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read(), response.headers.get("Docker-Content-Digest", "")


def whole(address: str, repository: str, version: str) -> tuple[str, list[dict[str, Any]]]:
    """The digest of an index and its entries, after each thing that it names was seen in the repository."""
    data, digest = get(address, f"{repository}/manifests/{version}")
    listed = json.loads(data)["manifests"]
    for entry in listed:
        manifest = json.loads(get(address, f"{repository}/manifests/{entry['digest']}")[0])
        for blob in (manifest["config"], *manifest["layers"]):
            assert len(get(address, f"{repository}/blobs/{blob['digest']}")[0]) == blob["size"]
    return digest, listed


def test_a_build_for_two_platforms_is_one_name(bench: Bench) -> None:
    id = bench.build(CROSS, platforms=BOTH, tags=("app:1",))
    assert [text for text in bench.ran if text.startswith("RUN")] == ["RUN echo made once > /common"]
    for platform, content in ((AMD, "a program"), (ARM, "another program")):
        image = bench.images.resolve("app:1", platform)
        assert image.config["architecture"] == platform.architecture and image.repo_tags == ("app:1",)
        assert bench.listing(image.id)["program"][3] == content
        assert bench.listing(image.id)["common"][3] == "made once\n"
    assert [image.repo_tags for image in bench.images.list()].count(("app:1",)) == 1
    assert len(bench.images.list()) == 2  # busybox is the other: the second platform has no row of its own
    assert bench.images.resolve("app:1").id == id
    with pytest.raises(NotFound, match=r"linux/riscv64.* it is for linux/amd64, linux/arm64"):
        bench.images.resolve("app:1", Platform("linux", "riscv64"))
    # The same again is the same index.
    first = bench.images.index_of(id)
    assert bench.build(platforms=BOTH, tags=("app:1",)) == id and bench.images.index_of(id) == first


def test_what_is_told_of_an_index(bench: Bench) -> None:
    id = bench.build(CROSS, platforms=BOTH, tags=("app:1",), provenance="max", sbom=True)
    shown = bench.images.inspect(bench.images.resolve("app:1"), users=lambda image: ["c1"] if image == id else [])
    assert shown["Descriptor"]["mediaType"] == OCI_INDEX
    kinds = [one["Kind"] for one in shown["Manifests"]]
    assert kinds == ["image", "image", "attestation", "attestation"]
    amd, arm, about_amd, about_arm = shown["Manifests"]
    assert (amd["ImageData"]["Platform"], arm["ImageData"]["Platform"]) == (
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    )
    assert amd["ImageData"]["Containers"] == ["c1"] and arm["ImageData"]["Containers"] == []
    assert about_amd["AttestationData"]["For"] == amd["ID"] and about_arm["AttestationData"]["For"] == arm["ID"]
    assert all(one["Available"] and one["Size"]["Content"] > 0 for one in shown["Manifests"])
    for platform, manifest in ((AMD, amd), (ARM, arm)):
        found = bench.images.attestations(bench.images.resolve("app:1", platform), bodies=True)
        assert len(found) == 2
        for one in found:
            subject = one["Statement"]["subject"][0]["digest"]["sha256"]  # type: ignore[index]
            assert f"sha256:{subject}" == manifest["ID"]
    described = bench.images.contents.of_platform(id)
    assert described is not None and described["digest"] == amd["ID"]


@pytest.mark.peer
@real
def test_an_index_keeps_its_digest_wherever_it_goes(bench: Bench, other: Bench, tmp_path: Path) -> None:
    with registry(tmp_path / "near") as near, registry(tmp_path / "far") as far:
        name = f"{near}/app:1"
        id = bench.build(CROSS, platforms=BOTH, tags=(name,), provenance="min", sbom=True)
        digest = bench.images.push(name)
        assert digest == bench.images.index_of(id)
        assert whole(near, "app", "1")[0] == digest
        assert [one["platform"]["architecture"] for one in whole(near, "app", "1")[1]] == [
            "amd64",
            "arm64",
            "unknown",
            "unknown",
        ]

        # Pulled for one platform, it goes on whole: within its registry, and to another one.
        image = other.images.pull(name, platform=AMD)
        assert image.repo_digests == (f"{near}/app@{digest}",)
        assert other.images.contents.identity(image.id) == {"Pull": [{"Repository": f"{near}/app"}]}
        with pytest.raises(NotFound):
            other.images.resolve(name, ARM)
        other.images.tag(name, f"{near}/again/app:2")
        other.images.tag(name, f"{far}/app:3")
        assert other.images.push(f"{near}/again/app:2") == digest == whole(near, "again/app", "2")[0]
        assert other.images.push(f"{far}/app:3") == digest == whole(far, "app", "3")[0]

        # One platform of it is an image as others are.
        alone = other.images.push(f"{far}/app:3", platform=AMD)
        data, given = get(far, "app/manifests/3")
        assert given == alone != digest and json.loads(data)["config"]["digest"] == image.id

        # Both platforms under one name; the last one that was pulled is what the name means.
        assert other.images.pull(name, platform=ARM).config["architecture"] == "arm64"
        assert other.images.resolve(name, AMD).id == image.id
        assert other.images.resolve(name).config["architecture"] == "arm64"


@pytest.mark.peer
@real
def test_saved_and_loaded_an_index_is_the_same(bench: Bench, other: Bench, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as address:
        name = f"{address}/app:1"
        id = bench.build(CROSS, platforms=BOTH, tags=(name,), provenance="min")
        digest = bench.images.push(name)
        archive = io.BytesIO()
        bench.images.save([name], archive)
        with tarfile.open(fileobj=io.BytesIO(archive.getvalue())) as opened:
            names = opened.getnames()
        assert len(names) == len(set(names)) and "manifest.json" in names
        (loaded,) = other.images.load(io.BytesIO(archive.getvalue()))
        assert loaded.id == id and loaded.repo_tags == (name,)
        assert other.listing(other.images.resolve(name, ARM).id)["program"][3] == "another program"
        assert len(other.images.attestations(loaded)) == 1
        other.images.tag(name, f"{address}/loaded:1")
        assert other.images.push(f"{address}/loaded:1") == digest == whole(address, "loaded", "1")[0]
        # Only one platform, saved or loaded.
        single = io.BytesIO()
        bench.images.save([name], single, platforms=[ARM])
        other.images.remove(name, force=True, in_use=lambda _: ())
        other.images.remove(f"{address}/loaded:1", force=True, in_use=lambda _: ())
        assert [image.repo_tags for image in other.images.list()] == [("busybox:latest",)]
        assert other.images.load(io.BytesIO(single.getvalue()))[0].config["architecture"] == "arm64"
        other.images.remove(name, force=True, in_use=lambda _: ())
        with pytest.raises(NotFound, match=r"is for linux/arm64, and does not provide .*\(linux/amd64\)"):
            other.images.load(io.BytesIO(single.getvalue()), platforms=[AMD])
        (chosen,) = other.images.load(io.BytesIO(archive.getvalue()), platforms=[ARM])
        assert chosen.config["architecture"] == "arm64"
        with pytest.raises(NotFound):
            other.images.resolve(name, AMD)
        with pytest.raises(NotFound, match="no matching manifest for linux/riscv64"):
            other.images.load(io.BytesIO(archive.getvalue()), platforms=[Platform("linux", "riscv64")])


@pytest.mark.peer
@real
def test_what_is_not_to_be_had_is_told_and_one_platform_pushed(bench: Bench, other: Bench, tmp_path: Path) -> None:
    with registry(tmp_path / "far") as far:
        with registry(tmp_path / "near") as near:
            bench.build(CROSS, platforms=BOTH, tags=(f"{near}/app:1",))
            digest = bench.images.push(f"{near}/app:1")
            other.images.pull(f"{near}/app:1", platform=AMD)
        other.images.tag(f"{near}/app:1", f"{far}/app:1")
        told: list[Any] = []
        alone = other.images.push(f"{far}/app:1", progress=told.append)
        aux = next(message["aux"] for message in told if "manifestPushedInsteadOfIndex" in message.get("aux", {}))
        assert aux["originalIndex"]["digest"] == digest and aux["selectedManifest"]["digest"] == alone
        assert json.loads(get(far, "app/manifests/1")[0])["mediaType"] == OCI_MANIFEST


def test_an_index_goes_with_its_last_name(bench: Bench) -> None:
    def blobs() -> set[str]:
        return {path.name for path in bench.layout.blobs.iterdir()}

    before, rows = blobs(), len(bench.images.list())
    bench.build(CROSS, platforms=BOTH, tags=("app:1",), sbom=True)
    bench.images.tag("app:1", "app:2")
    arm = bench.images.resolve("app:1", ARM)
    bench.images.remove("app:1", in_use=lambda _: ())
    assert bench.images.resolve("app:2", ARM).id == arm.id
    bench.images.prune(in_use=lambda _: ())
    assert bench.images.resolve("app:2", ARM).id == arm.id
    removed = bench.images.remove("app:2", in_use=lambda _: ())
    assert {"Deleted": arm.id} in removed and len(bench.images.list()) == rows
    bench.builder.prune(all=True)
    bench.images.prune(in_use=lambda _: ())
    assert blobs() == before


def test_a_container_of_one_platform_holds_the_name(bench: Bench) -> None:
    bench.build(CROSS, platforms=BOTH, tags=("app:1",))
    arm = bench.images.resolve("app:1", ARM)

    def users(id: str) -> list[ImageUser]:
        return [ImageUser("c" * 64, running=False)] if id == arm.id else []

    with pytest.raises(Conflict, match="unable to remove repository reference"):
        bench.images.remove("app:1", in_use=users)
    with pytest.raises(Conflict, match="Use --force"):
        bench.images.remove_platforms("app:1", [ARM], in_use=users)
    with pytest.raises(Conflict, match="is being used by running container"):
        bench.images.remove_platforms(
            "app:1", [ARM], force=True, in_use=lambda id: [user._replace(running=True) for user in users(id)]
        )
    assert bench.images.resolve("app:1", ARM).id == arm.id
    bench.images.tag("app:1", "app:2")
    assert bench.images.remove("app:1", in_use=users) == [{"Untagged": "app:1"}]


def test_one_platform_of_several_is_removed(bench: Bench) -> None:
    bench.build(CROSS, platforms=BOTH, tags=("app:1",))
    amd, arm = bench.images.resolve("app:1", AMD), bench.images.resolve("app:1", ARM)
    assert {"Deleted": amd.id} in bench.images.remove_platforms("app:1", [AMD], force=True, in_use=lambda _: ())
    assert bench.images.resolve("app:1").id == arm.id
    bench.images.remove_platforms("app:1", [ARM], force=True, in_use=lambda _: ())
    with pytest.raises(NotFound):
        bench.images.resolve("app:1")


def test_an_index_outlives_the_engine(bench: Bench) -> None:
    id = bench.build(CROSS, platforms=BOTH, tags=("app:1",))
    bench.images.recover()
    assert bench.images.resolve("app:1", ARM).config["architecture"] == "arm64"
    digest = bench.images.index_of(id)
    (bench.layout.blobs / digest.removeprefix("sha256:")).unlink()
    bench.images.recover()  # the images are whole, and the name stands for its default one
    assert bench.images.resolve("app:1").id == id and bench.images.index_of(id) == ""


def test_a_context_that_comes_once_serves_all_platforms(bench: Bench) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("Dockerfile", CROSS), ("for-amd64", "x"), ("for-arm64", "y")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    out.seek(0)
    bench.build(platforms=BOTH, tags=("app:1",), context=TarContext(out))
    assert bench.listing(bench.images.resolve("app:1", ARM).id)["program"][3] == "y"


@pytest.mark.parametrize(("runs", "code"), [(False, 127), (False, 126), (None, 126)])
def test_a_foreign_program_that_cannot_run_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, runs: bool | None, code: int
) -> None:
    monkeypatch.setattr("pycompose.engine.linux.binfmt.runs", lambda *_: runs)
    monkeypatch.setattr(bench.runner, "run", lambda step: code)
    with pytest.raises(EngineError, match=r"does not run programs for linux/s390x: RUN needs an emulator"):
        bench.build('FROM scratch\nRUN ["/nothing"]\n', platforms=("linux/s390x",))
