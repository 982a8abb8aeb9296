"""Random calls of the Engine API on this engine and on a real dockerd: statuses, states and events are the same.

PYCOMPOSE_PEER_DOCKERD=DIRECTORY   where Debian's packages were unpacked, if they are not installed
PYCOMPOSE_PEER_SEED=7              another session; it is printed with what differs
PYCOMPOSE_PEER_STEPS=5000          a longer one
PYCOMPOSE_PEER_REPLAY=FILE         the steps of a file, as a difference is printed
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.peering import dockerd
from support.peering.draw import Drawer
from support.peering.engines import Peer
from support.peering.reasons import REASONS
from support.peering.session import Session
from support.peering.shrink import shrunk
from support.peering.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.engine_root import EngineRoot

_LACKING = dockerd.missing()
pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(_LACKING is not None, reason=f"no dockerd to compare with: {_LACKING}"),
]
_SEED = int(os.environ.get("PYCOMPOSE_PEER_SEED", "1"))
_STEPS = int(os.environ.get("PYCOMPOSE_PEER_STEPS", "480"))
_AT_ONCE = 60  # steps of a session that begins with nothing


@pytest.fixture(scope="module")
def peers(engine: EngineRoot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Peer]]:
    with dockerd.Dockerd(tmp_path_factory.mktemp("dockerd")) as docker:
        ours, theirs = Peer("pycompose", str(engine.layout.socket)), Peer("dockerd", str(docker.socket))
        image = "/images/create?fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22%2Fbin%2Fsh%22%5D"
        assert theirs.request("POST", image, busybox_rootfs().read()).status == 200
        yield ours, theirs
        ours.clear()
        theirs.clear()


def differences(peers: tuple[Peer, Peer], steps: Sequence[Step]) -> list[tuple[int, str]]:
    """(number of the step, what differs) of a session that begins with nothing."""
    for peer in peers:
        peer.clear()
    session = Session(*peers, REASONS)
    session.run(steps)
    return [(number, difference) for number, _, difference in session.seen]


def told(peers: tuple[Peer, Peer], steps: Sequence[Step], found: list[tuple[int, str]]) -> str:
    """The differences, and the fewest steps that show the first of them."""
    number, difference = found[0]
    few = shrunk(steps[: number + 1], lambda some: difference in [line for _, line in differences(peers, some)])
    lines = "\n".join(step.line() for step in few)
    return "\n".join([*(f"step {step}: {line}" for step, line in found), "", "to replay the first:", lines])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(max(1, _STEPS // _AT_ONCE)))
def test_random_calls_are_answered_as_dockerd_answers_them(peers: tuple[Peer, Peer], part: int) -> None:
    seed = _SEED * 100_000 + part * _AT_ONCE
    steps = list(Drawer(seed).steps(_AT_ONCE))
    found = differences(peers, steps)
    assert not found, f"seed {_SEED}, part {part}\n{told(peers, steps, found)}"


@pytest.mark.skipif("PYCOMPOSE_PEER_REPLAY" not in os.environ, reason="no steps to replay")
def test_replayed_steps(peers: tuple[Peer, Peer]) -> None:
    lines = Path(os.environ["PYCOMPOSE_PEER_REPLAY"]).read_text().splitlines()
    assert not differences(peers, [Step.parse(line) for line in lines if line.startswith("[")])
