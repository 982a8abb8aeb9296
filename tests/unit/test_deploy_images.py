"""References of images for a cluster: names in a registry, digests, users by name, and what cannot be pulled by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.composing import make_project

from pycompose.compose.deploy.images import Unknown, as_deployed, check_registry, look_up, moved, published_name
from pycompose.compose.deploy.kubernetes.hosting import registry_of
from pycompose.compose.deploy.users import named_users, resolve
from pycompose.compose.errors import LoadError, OperationError

if TYPE_CHECKING:
    from pycompose.compose.run.events import Event

BUILD = {"context": "/src"}
DIGEST = "sha256:" + "0" * 64


def test_names_in_a_registry() -> None:
    services = {
        "plain": {"build": BUILD},
        "named": {"build": BUILD, "image": "team/app:2"},
        "placed": {"build": BUILD, "image": "registry.example.com/app:3"},
    }
    project = make_project(services)
    assert published_name(project, "plain", "r.example.com/x/") == "r.example.com/x/demo/plain"
    assert published_name(project, "named", "r.example.com") == "r.example.com/team/app:2"
    assert published_name(project, "placed", "r.example.com") == "registry.example.com/app:3"
    check_registry(project, "r.example.com")
    with pytest.raises(LoadError) as raised:
        check_registry(project, "")
    assert [one.path for one in raised.value.diagnostics] == [
        ("services", "plain", "build"),
        ("services", "named", "build"),
    ]
    assert "--registry" in str(raised.value)


def test_digests_are_asked_for_once_and_kept_where_they_are_written() -> None:
    asked: list[str] = []
    events: list[Event] = []

    def lookup(ref: str) -> str:
        asked.append(ref)
        if ref == "away":
            raise OperationError("nobody answers")
        return DIGEST

    services = {"a": {"image": "x:1"}, "b": {"image": "x:1"}, "c": {"image": f"y@{DIGEST}"}, "d": {"image": "away"}}
    found = look_up(make_project({**services, "e": {"build": BUILD}}), {"e": "r/e@d"}, "", lookup, events.append)
    assert found == {"a": f"x:1@{DIGEST}", "b": f"x:1@{DIGEST}", "c": f"y@{DIGEST}", "d": "away", "e": "r/e@d"}
    assert asked == ["x:1", "away"]
    assert [getattr(one, "detail", "") for one in events] == ["nodes will pull it by tag: nobody answers"]


def test_an_image_that_is_not_there_is_refused_with_its_place() -> None:
    def lookup(ref: str) -> str:
        raise Unknown(f"{ref} is not in its registry")

    with pytest.raises(LoadError, match=r"compose.yaml:20:3: services.web.image: gone:1 is not in its registry"):
        look_up(make_project({"web": {"image": "gone:1"}}), {}, "", lookup, lambda event: None)


def test_what_is_not_built_now_is_what_runs() -> None:
    project = make_project({"a": {"build": BUILD}, "b": {"build": BUILD}, "c": {"image": "x"}})
    assert as_deployed(project, "r", {"a": "r/demo/a@d"}) == {"a": "r/demo/a@d", "b": "r/demo/b"}


def test_nodes_may_have_another_name_for_the_registry() -> None:
    assert moved({"a": "localhost:5000/x@d", "b": "other/y"}, "localhost:5000", "registry:5000") == {
        "a": "registry:5000/x@d",
        "b": "other/y",
    }
    tree = {"data": {"localRegistryHosting.v1": 'host: "localhost:5000"\nhostFromContainerRuntime: "registry:5000"\n'}}
    assert registry_of(tree) == ("localhost:5000", "registry:5000")
    assert registry_of({"data": {"localRegistryHosting.v1": "host: localhost:5000"}}) == ("localhost:5000",) * 2
    for text in ("", "[", "- x", "host: [1]"):
        assert registry_of({"data": {"localRegistryHosting.v1": text}}) == ("", "")


PASSWD = "root:x:0:0::/:/bin/sh\nnginx:x:101:102:n:/:/bin/false\nbroken\nodd:x:x:1\n"
GROUP = "root:x:0:\nwww:x:33:\n"


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("nginx", (101, 102)),
        ("nginx:www", (101, 33)),
        ("nginx:7", (101, 7)),
        ("101:www", (101, 33)),
        ("5", (5, 0)),
        ("nobody", None),
        ("nginx:nobody", None),
        ("odd", None),
    ],
)
def test_users_by_the_lines_of_the_image(user: str, ids: tuple[int, int] | None) -> None:
    assert resolve(user, PASSWD, GROUP) == ids


def test_only_names_are_looked_up() -> None:
    services = {"a": {"user": "1:2"}, "b": {"user": "nginx"}, "c": {"user": "root"}, "d": {"user": "1:www"}, "e": {}}
    assert named_users(make_project(services)) == ["b", "d"]
