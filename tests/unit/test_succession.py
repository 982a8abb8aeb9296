"""Ports that change hands: whatever happens in whatever order, one container has them as long as one is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.networks import succession
from pycompose.engine.networks.succession import Heir
from pycompose.engine.networks.types import PortBinding

if TYPE_CHECKING:
    from pycompose.engine.networks.succession import Moved


def port(name: str) -> tuple[PortBinding, ...]:
    """A binding that tells whose it is by the container's port."""
    return (PortBinding(container_port=ord(name), host_port=8080),)


class Ports:
    """Who has ports, and who stands by."""

    def __init__(self) -> None:
        self.published = {"a": port("a")}
        self.heirs: dict[str, Heir] = {}

    def apply(self, moved: Moved) -> None:
        for id, bindings in moved.published.items():
            self.published.pop(id, None)
            if bindings:
                self.published[id] = bindings
        for id, heir in moved.heirs.items():
            self.heirs.pop(id, None)
            if heir is not None:
                self.heirs[id] = heir

    def start(self, name: str, of: str) -> None:
        self.apply(succession.stand_by(name, of, port(name)))

    def take_over(self, name: str) -> bool:
        moved = succession.take_over(name, self.heirs, lambda id: self.published.get(id, ()))
        if moved is not None:
            self.apply(moved)
        return moved is not None

    def end(self, name: str) -> str:
        moved = succession.release(name, self.heirs)
        self.apply(moved)
        return moved.successor


def test_there_and_back() -> None:
    ports = Ports()
    ports.start("b", "a")
    assert ports.published == {"a": port("a")}
    assert ports.take_over("b")
    assert ports.published == {"b": port("b")}
    assert not ports.take_over("b")
    assert ports.end("b") == "a"
    assert ports.published == {"a": port("a")}
    assert ports.heirs == {}


def test_the_latest_comes_first() -> None:
    ports = Ports()
    ports.start("b", "a")
    ports.start("c", "a")
    assert ports.end("a") == "c"
    assert ports.heirs == {"b": Heir("c", port("b"))}
    assert ports.end("c") == "b"


@given(
    st.lists(st.tuples(st.sampled_from(["start", "take over", "end"]), st.sampled_from("abcdef"), st.integers(0, 5)))
)
def test_one_has_them_as_long_as_one_is_left(steps: list[tuple[str, str, int]]) -> None:
    ports = Ports()
    running = ["a"]
    for what, name, number in steps:
        if what == "start" and running and name not in running:
            ports.start(name, running[number % len(running)])
            running.append(name)
        elif what == "take over" and name in running:
            stood_by = name in ports.heirs
            assert ports.take_over(name) == stood_by
            assert ports.published == {name: port(name)}
        elif what == "end" and name in running:
            running.remove(name)
            ports.end(name)
        assert len(ports.published) == bool(running)
        assert {*ports.published, *ports.heirs} == {*running}
        for holder, bindings in ports.published.items():
            assert bindings == port(holder)
            assert all(succession.holder(one, ports.heirs) == holder for one in running)
