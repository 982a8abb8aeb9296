"""What is remembered between builds and what is not: steps, directories, secrets, times."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support import registry
from support.build_bench import Bench
from support.busybox_image import busybox_rootfs

from pycompose.engine.build.progress import Notice
from pycompose.engine.errors import EngineError, InvalidParameter
from pycompose.engine.images.types import ImageUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def test_an_unchanged_build_is_the_same_image_and_runs_nothing(bench: Bench) -> None:
    bench.write({"file": "1"})
    text = "FROM busybox\nCOPY file /\nRUN date +%N > /stamp\nCMD true\n"
    first = bench.build(text)
    assert bench.build() == first
    assert not any("RUN" in step or "COPY" in step for step in bench.ran)
    os.utime(bench.context / "file", ns=(1, 1))  # times do not count
    assert bench.build() == first
    os.chmod(bench.context / "file", 0o755)  # modes do
    assert bench.build() != first
    bench.write({"file": "2"})
    os.chmod(bench.context / "file", 0o644)
    second = bench.build()
    assert second != first
    assert bench.build(no_cache=True) != second


@pytest.mark.parametrize("moment", ["a base was found", "a step was found", "a layer was made"])
def test_who_prunes_takes_nothing_from_a_build(bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """As `gc` in the background does: between a layer's being found or made and the build's holding it."""
    text = "FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n"
    if moment == "a step was found":
        bench.build(text)
    busybox = bench.images.resolve("busybox")
    pruned: list[object] = []

    def and_pruned(of: object, name: str) -> None:
        function = getattr(of, name)

        def call(*arguments: object, **options: object) -> object:
            found = function(*arguments, **options)
            if moment != "a base was found":
                pruned.append(bench.builder.prune(all=True))
                bench.images.prune(all=True, in_use=lambda id: [ImageUser("x", True)] if id == busybox.id else [])
            elif not pruned:  # and it is loaded again
                pruned.append(bench.images.prune(all=True, in_use=lambda _: []))
                bench.images.import_rootfs(busybox_rootfs(), ref="busybox", changes=['CMD ["sh"]'])
            return found

        monkeypatch.setattr(of, name, call)

    if moment == "a base was found":
        and_pruned(bench.images, "resolve")
    elif moment == "a step was found":
        and_pruned(bench.builder._cache, "find")
    else:
        and_pruned(bench.images, "commit_layer")
    image = bench.build(text)
    monkeypatch.undo()
    assert pruned and set(bench.listing(image)) >= {"one", "two", "bin/busybox"}


def test_source_date_epoch_is_reproducible(bench: Bench) -> None:
    bench.write({"f": "1"})
    text = "FROM busybox\nCOPY f /f\nRUN echo x > /x\n"
    first = bench.build(text, args={"SOURCE_DATE_EPOCH": "1000000000"})
    config = bench.config(first)
    assert config["created"] == "2001-09-09T01:46:40Z"
    with bench.view(first) as root:
        assert (root / "x").stat().st_mtime == 1_000_000_000
    assert bench.build(args={"SOURCE_DATE_EPOCH": "1000000000"}, no_cache=True) == first


def test_cache_travels_by_directory_and_image(bench: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nADD rootfs.tar /\nRUN date +%N > /stamp\nRUN echo done > /done\n"
    bench.write({"rootfs.tar": busybox_rootfs().read()})
    exported = tmp_path / "exported"
    first = bench.build(text, cache_to=(f"type=local,dest={exported}",))
    stamp = bench.listing(first)["stamp"][3]
    (tmp_path / "second").mkdir()
    fresh = Bench(tmp_path / "second")
    fresh.write({"rootfs.tar": busybox_rootfs().read()})
    image = fresh.build(text, cache_from=(f"type=local,src={exported}",))
    assert fresh.ran == ["FROM scratch"]
    assert fresh.listing(image)["stamp"][3] == stamp
    fresh.__exit__(None)

    bench.build(text, cache_to=("type=inline",), tags=("cached",))
    bench.builder.prune(all=True)
    image = bench.build(text, cache_from=("cached",))
    assert bench.ran == ["FROM scratch"]
    assert bench.listing(image)["stamp"][3] == stamp


@pytest.mark.skipif(not registry.available(), reason="needs docker-registry")
def test_a_registry_carries_all_stages_when_asked(bench: Bench, tmp_path: Path) -> None:
    text = "FROM busybox AS made\nRUN head -c 9 /dev/urandom | md5sum > /stamp\nFROM busybox\nCOPY --from=made /stamp /{}\n"
    with registry.registry(tmp_path / "registry") as address:
        first = bench.build(text.format("a"), cache_to=(f"type=registry,ref={address}/all:1,mode=max",))
        stamp = bench.listing(first)["a"][3]
        bench.build(text.format("a"), cache_to=(f"type=registry,ref={address}/few:1",))
        for name, expected in (
            ("few", ["RUN head -c 9 /dev/urandom | md5sum > /stamp", "COPY --from=made /stamp /b"]),
            ("all", ["COPY --from=made /stamp /b"]),
        ):
            (tmp_path / name).mkdir()
            fresh = Bench(tmp_path / name)
            image = fresh.build(text.format("b"), cache_from=(f"type=registry,ref={address}/{name}:1",))
            assert [one for one in fresh.ran if not one.startswith("FROM")] == expected
            assert (fresh.listing(image)["b"][3] == stamp) == (name == "all")
            fresh.__exit__(None)
    with pytest.raises(InvalidParameter, match="mode is min or max"):
        bench.build(text.format("a"), cache_to=(f"type=registry,ref={address}/all:1,mode=odd",))


def test_pruning_frees_what_no_image_has(bench: Bench) -> None:
    bench.build("FROM busybox\nRUN echo kept > /kept\n", tags=("kept",))
    bench.build("FROM busybox\nRUN head -c 100000 /dev/zero > /gone\n", tags=("gone",))
    bench.images.remove("gone", in_use=lambda id: ())
    removed, freed = bench.builder.prune()
    assert len(removed) == 1 and freed >= 100_000
    bench.build("FROM busybox\nRUN echo kept > /kept\n")
    assert bench.ran == ["FROM busybox"]
    assert bench.builder.prune(until=0) == ([], 0)


def test_secrets_stay_out_of_everything(bench: Bench) -> None:
    secret = b"s3cr3t-value-42"
    text = """FROM busybox
RUN --mount=type=secret,id=token cat /run/secrets/token | md5sum | grep -q ^11d0 || echo read $(wc -c < /run/secrets/token)
RUN --mount=type=secret,id=token,env=TOKEN echo env ${#TOKEN}
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
"""
    image = bench.build(text, secrets={"token": secret})
    assert f"read {len(secret)}" in bench.output and f"env {len(secret)}" in bench.output
    assert bench.build(secrets={"token": b"another"}) == image  # no part of the key
    for path in bench.layout.state.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret not in path.read_bytes(), path
    assert "run/secrets" not in bench.listing(image)
    with pytest.raises(EngineError, match="secret token: not found"):
        bench.build("FROM busybox\nRUN --mount=type=secret,id=token,required true\n")


def test_mount_points_leave_nothing_in_layers(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox
RUN --mount=type=secret,id=s --mount=type=cache,target=/etc/new/cache --mount=type=tmpfs,target=/opt/t true
RUN --mount=type=bind,target=/opt/t touch /opt/kept
""",
        secrets={"s": b"x"},
    )
    first, second = bench.images.resolve(image).layers[-2:]
    assert list(bench.images.layer_path(first).rglob("*")) == []
    assert [path.name for path in bench.images.layer_path(second).rglob("*")] == ["opt", "kept"]


def test_run_mounts(bench: Bench) -> None:
    bench.write({"script": "echo from context"})
    image = bench.build(
        """FROM busybox AS tool
RUN echo tool > /tool
FROM busybox
RUN --mount=type=bind,source=script,target=/s/script sh /s/script > /out
RUN --mount=type=bind,from=tool,target=/t cat /t/tool >> /out
RUN --mount=type=cache,target=/cache,id=c echo $(ls /cache | wc -l) >> /out && touch /cache/$$
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && echo tmp >> /out
RUN --mount=type=bind,target=/ctx,rw touch /ctx/new && echo rw >> /out
""",
    )
    found = bench.listing(image)
    assert found["out"][3] == "from context\ntool\n0\ntmp\nrw\n"
    assert not {"s", "t", "cache", "scratch", "ctx"} & set(found)
    assert not (bench.context / "new").exists()
    image = bench.build(no_cache=True)
    assert bench.listing(image)["out"][3] == "from context\ntool\n1\ntmp\nrw\n"
    assert len([entry for entry in bench.builder.usage() if entry["Type"] == "exec.cachemount"]) == 1
    bench.builder.prune(all=True)
    assert bench.builder.usage() == []


@pytest.mark.peer
@pytest.mark.skipif(not registry.available(), reason="needs Debian's docker-registry")
def test_cache_travels_by_registry(bench: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nADD rootfs.tar /\nRUN date +%N > /stamp\n"
    (tmp_path / "second").mkdir()
    with registry.registry(tmp_path / "registry") as host, Bench(tmp_path / "second") as fresh:
        where = f"type=registry,ref={host}/cache:one"
        for one in (bench, fresh):
            one.write({"rootfs.tar": busybox_rootfs().read()})
        first = bench.build(text, cache_to=(where,))
        second = fresh.build(text, cache_from=(where,))
        assert fresh.ran == ["FROM scratch"]
        assert fresh.listing(second)["stamp"] == bench.listing(first)["stamp"]
        assert "pycompose.cache.v0" not in fresh.config(second)
        fresh.build(text, no_cache=True, cache_from=(f"type=registry,ref={host}/nothing:here",))
        assert any("failed to import cache" in event.text for event in fresh.events if isinstance(event, Notice))
