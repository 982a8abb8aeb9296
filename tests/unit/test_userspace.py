"""User namespaces and maps of owners: who gets which ids, what is refused, and in which order a launch goes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.configuration import ConfigurationError, load
from pycompose.engine.containers.life import idranges
from pycompose.engine.containers.spec import fields, mounts, userspace
from pycompose.engine.containers.spec.userspace import OWN, Donor, Ids
from pycompose.engine.errors import Conflict, InvalidParameter
from pycompose.engine.linux import idmap
from pycompose.engine.linux.cgroup import Hierarchies
from pycompose.engine.linux.userns import Range
from pycompose.engine.runtime import appearing, bundle, devices, filesystem, launch, mapped, operations
from pycompose.engine.shapes import normalize

if TYPE_CHECKING:
    from pathlib import Path

ALL = (1 << 32) - 1


def wanted(**members: Any) -> userspace.Wanted:
    return userspace.Wanted.of(normalize(fields.HOST_CONFIG, members, "HostConfig"))


@pytest.mark.parametrize(
    ("mode", "donors", "expected"),
    [
        ("", (), 0),
        ("host", (), 0),
        ("auto", (), OWN),
        ("private", (), OWN),
        ("", (Donor("a", 0),), 0),
        ("", (Donor("a", 70000),), 70000),
        ("auto", (Donor("a", 70000), Donor("b", 70000)), 70000),
        ("host", (Donor("a", 70000),), 0),
    ],
)
def test_whose_ids(mode: str, donors: tuple[Donor, ...], expected: int) -> None:
    assert userspace.base(mode, donors) == expected


@pytest.mark.parametrize(
    ("mode", "donors", "words"),
    [
        ("auto", (Donor("a", 0),), "namespaces of a, which is in the host's user namespace"),
        ("", (Donor("a", 0), Donor("b", 7)), "a and b, whose namespaces are to be shared"),
    ],
)
def test_whose_ids_cannot_be_told(mode: str, donors: tuple[Donor, ...], words: str) -> None:
    with pytest.raises(Conflict, match=words):
        userspace.base(mode, donors)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"UsernsMode": "auto", "Privileged": True}, "privileged mode is incompatible with user namespaces"),
        ({"UsernsMode": "private", "NetworkMode": "host"}, "cannot share the host's network namespace when user"),
        (
            {"UsernsMode": "auto", "PidMode": "host"},
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
        ({"UsernsMode": "keep-id"}, "invalid user namespace mode: keep-id"),
    ],
)
def test_refused_in_dockers_words(members: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        userspace.refuse(wanted(**members), True, True)


def test_refused_elsewhere() -> None:
    with pytest.raises(InvalidParameter, match="the engine's own runtime offers it"):
        userspace.refuse(wanted(UsernsMode="auto", Runtime="/usr/bin/runc"), False, True)
    with pytest.raises(InvalidParameter, match="an engine that runs as root offers it"):
        userspace.refuse(wanted(UsernsMode="auto"), True, False)
    for mode in ("", "host"):
        userspace.refuse(wanted(UsernsMode=mode, Privileged=True), False, False)


def test_ranges_never_overlap_and_end() -> None:
    ids = Ids("host", 100000, 3)
    for begin in range(3):
        all_three = list(userspace.unused(ids, (), begin))
        assert sorted(all_three) == [100000, 165536, 231072]
        assert all_three[0] == 100000 + begin * 65536
        assert list(userspace.unused(ids, [0, 7, all_three[1]], begin)) == [all_three[0], all_three[2]]
        assert not list(userspace.unused(ids, all_three, begin))
    assert "no range of ids is left for a user namespace: 3 containers have one" in str(userspace.nothing_left(ids))


def test_no_two_engines_take_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a range is whose state directory is there: of one that has gone it is free, and comes back to its owner."""
    monkeypatch.setattr(idranges, "DIRECTORY", tmp_path / "ids")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    assert idranges.take([1, 2], mine) == 1
    assert idranges.take([1, 2], mine) == 1
    assert idranges.take([1, 2], theirs) == 2
    assert idranges.take([1, 2], tmp_path) is None
    idranges.give_back(1, theirs)  # is not theirs
    assert idranges.take([1], theirs) is None
    mine.rmdir()
    assert idranges.take([1], theirs) == 1
    idranges.give_back(1, theirs)
    idranges.give_back(2, theirs)
    idranges.give_back(2, theirs)
    assert not idranges.DIRECTORY.exists()


@pytest.mark.parametrize(("owner", "user"), [(1001, 0), (1001, 33), (33, 1001), (1, 2), (ALL - 1, 1)])
def test_the_map_is_safe(owner: int, user: int) -> None:
    found = idmap.matching(owner, user)

    def seen(on_disk: int) -> int | None:
        inside = [one for one in found if one.inside <= on_disk < one.inside + one.length]
        assert len(inside) <= 1
        return inside[0].outside + on_disk - inside[0].inside if inside else None

    assert seen(owner) == user
    assert seen(0) is None, "something could be written that is root's"
    assert all(one.outside + one.length - 1 < user or one.outside > user or one.inside == owner for one in found)
    if user:
        assert seen(user) is None
    assert seen(5000) == 5000
    outside = sorted((one.outside, one.outside + one.length) for one in found)
    assert all(before[1] <= after[0] for before, after in pairwise(outside))
    assert not any(one.outside <= owner < one.outside + one.length for one in found if one.inside != owner)


def test_capabilities_of_files_lose_and_get_the_number_of_their_root() -> None:
    plain = bytes.fromhex("0100000200200000000000000000000000000000")
    rooted = idmap.capabilities_outside(plain, 0x734E0000)
    assert rooted.hex() == "010000030020000000000000000000000000000000004e73"
    assert idmap.capabilities_inside(rooted, 0x734E0000) == plain
    for strange in (b"", b"x", plain[:-1], rooted):
        assert idmap.capabilities_inside(strange, 5) == strange
    assert idmap.capabilities_outside(rooted, 5) == rooted


def test_root_owns_nothing_that_can_be_matched() -> None:
    with pytest.raises(ValueError, match="belongs to root"):
        idmap.matching(0, 33)
    assert idmap.matching(33, 33) == (Range(0, 0, ALL),)


def test_how_a_bind_asks_for_it() -> None:
    assert mounts.parse_bind("/a:/b:ro,idmap").matched
    body = {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"IDMapping": {"Source": "match-user"}}}
    assert mounts.parse_mount(body).matched
    for text in ("vol:/b:idmap", "/a:/b:idmap,idmap"):
        with pytest.raises(InvalidParameter, match="invalid mode: idmap"):
            mounts.parse_bind(text)
    with pytest.raises(InvalidParameter, match="invalid IDMapping: Source: 'x': want match-user"):
        mounts.parse_mount(body | {"BindOptions": {"IDMapping": {"Source": "x"}}})


def test_engine_yaml(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("userns: {mode: auto, first: 1000000, ranges: 10}\n")
    assert load(file).ids == Ids("auto", 1000000, 10)
    for text, words in (
        ("userns: {mode: private}", "engine.yaml:1:16: userns.mode: must be one of host, auto"),
        ("userns: {first: 0}", "engine.yaml:1:17: userns.first: must not be less than 65536"),
        (
            "userns: {first: 2147000000, ranges: 20}",
            "engine.yaml:1:9: userns: 20 ranges of 65536 ids from 2147000000 on end",
        ),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            load(file)


def compiled(*, path: str = "", matched: tuple[str, ...] = ()) -> list[Any]:
    entry = {"type": "user", **({"path": path} if path else {})}
    document = {
        "id": "c" * 64,
        "bundle": {
            "process": {"args": ["true"]},
            "mounts": [
                {"destination": "/v", "type": "bind", "source": "/volumes/v", "options": ["rbind", "idmap"]},
                {"destination": "/b", "type": "bind", "source": "/srv/b", "options": ["rbind"]},
            ],
            "linux": {
                "namespaces": [entry, *({"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network"))],
                **userspace.mappings(70000),
            },
        },
        "rootfs": {"lower": ["/l"], "upper": "/s/upper", "work": "/s/work"},
        "log": {"directory": "/log"},
        "status": "/status.json",
        "control": "/shim.sock",
        "donors": {"17": 99},
        "matched": list(matched),
    }
    spec = bundle.parse(document, "/run/c")
    assert (spec.for_shim().user, spec.for_shim().ids) == ("17:99" if path else "new", 70000)
    return list(launch.compile_launch(spec, launch.Host(Hierarchies({}, None)), launch.Own(5, 6)))


def test_what_only_root_can_do_comes_before_the_user_namespace() -> None:
    kinds = [type(step) for step in compiled(matched=("/b",))]
    entered = kinds.index(mapped.EnterUser)
    for kind in (mapped.MappedOverlay, mapped.OwnNodes, mapped.MatchOwners, mapped.MapSources, filesystem.OpenSources):
        assert kinds.index(kind) < entered, kind
    for later in (operations.Unshare, appearing.EnterPids, mapped.AttachRoot, filesystem.Bind, filesystem.PivotRoot):
        assert kinds.index(later) > entered, later
    assert kinds.count(filesystem.IsolateMounts) == 2, "the second belongs to the user namespace"
    assert devices.MakeDevice not in kinds[:entered]


def test_only_volumes_are_seen_through_the_users_map() -> None:
    step = next(step for step in compiled() if isinstance(step, mapped.MapSources))
    assert [source.path for source in step.sources] == ["/volumes/v"]


def test_a_shared_user_namespace_is_named_by_pid_and_start_time() -> None:
    assert compiled(path="/proc/17/ns/user")
