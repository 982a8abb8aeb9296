"""The loader as a whole: algebra of merging, its own output as input, places, limits, cache, conformance."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pycompose.compose.deploy.columns import columns
from pycompose.compose.deploy.extensions import extension
from pycompose.compose.errors import LoadError, Mark
from pycompose.compose.load import cache, canonical, conformance, dump, load_project, merge, schema, yamldump, yamltree
from pycompose.compose.load.pipeline import load_project as load_fresh
from pycompose.compose.load.tree import Map, Seq
from pycompose.compose.model import LoadOptions
from pycompose.compose.plan.digest import service_digest

HERE = "/project"


def options(text: str, **more: Any) -> LoadOptions:
    return LoadOptions(files=("-",), stdin=text, cwd=Path(HERE), **more)


def load(text: str, **more: Any) -> Any:
    return load_fresh(options(text, **more))


# Without extensions: Docker Compose writes a list entry "x-a=1" as a key, and reads that key back as an extension.
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True).filter(lambda name: not name.startswith("x-"))
WORDS = st.text(
    st.characters(codec="ascii", exclude_characters="\x00\x7f$", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=12,
)
PORTS = st.builds(lambda a, b: f"{a}:{b}", st.integers(1, 65535), st.integers(1, 65535))
SERVICES = st.fixed_dictionaries(
    {"image": NAMES},
    optional={
        "command": st.one_of(st.none(), st.lists(WORDS, max_size=3)),
        "environment": st.one_of(
            st.dictionaries(NAMES, st.one_of(WORDS, st.integers(-9, 9), st.booleans()), max_size=3),
            st.lists(
                st.builds(lambda k, v: f"{k}={v}", NAMES, WORDS), max_size=3, unique_by=lambda item: item.split("=")[0]
            ),
        ),
        "labels": st.dictionaries(NAMES, WORDS, max_size=3),
        "ports": st.lists(PORTS, max_size=3, unique=True),
        "volumes": st.lists(
            st.builds(lambda s, t: f"./{s}:/{t}", NAMES, NAMES), max_size=3, unique_by=lambda item: item.split(":")[1]
        ),
        "cap_add": st.lists(NAMES, max_size=2, unique=True),
        "tmpfs": st.one_of(st.just("/t"), st.lists(st.sampled_from(["/a", "/b"]), unique=True)),
        "mem_limit": st.sampled_from(["64m", "1g", 1024]),
        "cpus": st.sampled_from([0.5, "1.5", 2]),
        "init": st.booleans(),
        "stop_grace_period": st.sampled_from(["10s", "1m30s"]),
        "healthcheck": st.fixed_dictionaries(
            {"test": st.one_of(WORDS, st.just(["CMD", "true"]))}, optional={"interval": st.just("5s")}
        ),
        "extra_hosts": st.one_of(st.just(["a:1.1.1.1"]), st.just({"a": "1.1.1.1"})),
        "deploy": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3), "labels": st.just({"a": "b"})}),
    },
)
PROJECTS = st.builds(
    lambda services: {"name": "p", "services": services}, st.dictionaries(NAMES, SERVICES, min_size=1, max_size=3)
)


def text_of(model: Any) -> str:
    # JSON is YAML, and leaves no doubt what is a string: PyYAML writes 0E0 plain, which others read as a number.
    return json.dumps(model, ensure_ascii=False) + "\n"


def tree_of(text: str) -> Map:
    (document,) = yamltree.parse(text, "f")
    assert isinstance(document.tree, Map)
    return document.tree


@given(PROJECTS)
@settings(max_examples=60, deadline=None)
def test_output_loads_to_itself(model: Any) -> None:
    project = load(text_of(model))
    for text in (dump.to_json(project), yamldump.to_yaml(project)):
        again = load(text)
        assert dump.to_json(again) == dump.to_json(project)
        assert yamldump.to_yaml(again) == yamldump.to_yaml(project)


@given(PROJECTS)
@settings(max_examples=60, deadline=None)
def test_merging_an_empty_override_changes_nothing(model: Any) -> None:
    # What begins with x- is replaced by a later document, here as in Docker Compose, even where it names a service.
    assume(not any(name.startswith("x-") for name in model["services"]))
    text = text_of(model)
    names = "".join(f"  {name}: {{}}\n" for name in model["services"])
    plain, merged = load(text), load(f"{text}---\nservices:\n{names}---\n{{}}\n")
    assert dump.to_json(merged) == dump.to_json(plain)


@given(PROJECTS)
@settings(max_examples=60, deadline=None)
def test_canonicalising_twice_is_once(model: Any) -> None:
    once = canonical.Canonical().apply(merge.unique(tree_of(text_of(model))))
    before = copy.deepcopy(once)
    assert canonical.Canonical().apply(merge.unique(once)) == before


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12)),
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=8), below, max_size=3)),
        max_leaves=20,
    )
)
@settings(max_examples=200, deadline=None)
@example("\r")
@example("a\u0085b\r\n")
def test_yaml_output_reads_back(value: Any) -> None:
    text = yamldump.yaml_text({"v": value})
    if any(char in text for char in "\x85\u2028\u2029") or "\n\n" in text or "|2" in text:
        return  # as the library that Docker Compose uses has it
    if re.search(r"(?:^|[ :-])=(?::|$)", text, re.MULTILINE):
        return  # PyYAML alone takes a lone = for a type of its own
    try:
        assert yaml.safe_load(text) == {"v": value}
    except yaml.YAMLError:
        pytest.fail(f"not YAML: {text!r}")


def test_both_validators_agree_on_golden_cases() -> None:
    from support.compose_cases import ROOT

    check = schema.predicate("compose.json")
    for path in sorted(ROOT.glob("*/*.yaml")):
        try:
            documents = list(yamltree.parse(path.read_text(), path.name))
        except LoadError:
            continue
        for document in documents:
            if isinstance(document.tree, Map):
                assert check(document.tree) == (not list(schema.explain(document.tree))), path


@given(
    st.dictionaries(
        st.sampled_from(sorted(schema.document("service.json")["$defs"]["service"]["properties"])),
        st.sampled_from(
            [None, 1, 1.5, True, "", "x", [], ["a"], ["a", "a"], [1], {}, {"a": "b"}, {"a": None}, [{}], {"x-a": 1}]
        ),
        max_size=2,
    )
)
@settings(max_examples=150, deadline=None)
def test_both_validators_agree(service: dict[str, Any]) -> None:
    tree = Map({"services": Map({"a": Map(service)})})
    assert schema.predicate("compose.json")(tree) == (not list(schema.explain(tree)))


def test_marks() -> None:
    project = load("services:\n  web:\n    image: x\n    ports:\n      - 1:2\n    environment:\n      A: b\n")
    assert project.marks[("services", "web", "image")] == Mark("-", 3, 5)
    assert project.mark("services", "web", "ports", 0, "target") == Mark("-", 5, 9)
    assert project.mark("services", "web", "environment", "A") == Mark("-", 7, 7)


def test_warnings_have_places() -> None:
    project = load("version: '3'\nservices:\n  web:\n    image: x:$TAG\n    command: $TAG\n")
    assert [(warning.mark.line if warning.mark else 0) for warning in project.warnings] == [4, 1]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &a [*a]", "contains it"),
        ("[" * 500, "nested deeper"),
        ("a: " + "[" * 200 + "]" * 200, "nested deeper"),
        (
            "a: &a [x]\n"
            + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)),
            "too many nodes",
        ),
        ("services: {a: *nowhere}", "unknown anchor"),
        ("services:\n\ta: b", "not valid YAML"),
        ("services: {1: {image: x}}", "non-string key"),
        ("? [a]\n: b", "must be a string"),
        ("a: !!int b", "cannot decode"),
        ("services: {a: {<<: 5}}", "map merge requires"),
        ("\x00", "not valid YAML"),
    ],
)
def test_hostile_yaml(text: str, part: str) -> None:
    with pytest.raises(LoadError, match=part) as caught:
        load(text)
    assert caught.value.diagnostics[0].mark is not None


def test_pools_that_are_no_mappings_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("services: {a: {image: x}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}\n")
    second.write_text("networks: {n: {ipam: {config: [words]}}}\n")
    with pytest.raises(LoadError, match=r"b\.yaml:1:32: networks\.n\.ipam\.config: expected a list of mappings"):
        load_fresh(LoadOptions(files=(str(first), str(second)), environment={"HOME": "/"}, cwd=tmp_path))


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    file = directory / "compose.yaml"
    file.write_text(
        "services:\n  a:\n    image: x:${TAG:-1}\n    cpus: 0.1\n    env_file: e.env\n"
        "    mem_limit: 64m\n    healthcheck: {test: [CMD, check], interval: 90s, timeout: 0s}\n"
        "    volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1k}}]\n"
        "    restart: on-failure:3\n    expose: [53/udp]\n"
    )
    (directory / "e.env").write_text("A=1\n")
    shell = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}

    def project(**more: str) -> Any:
        return load_project(LoadOptions(files=(str(file),), environment={**shell, **more}, cwd=directory))

    first = project()
    with monkeypatch.context() as patch:
        patch.setattr(
            "pycompose.compose.load.pipeline.load_project", lambda *_, **__: pytest.fail("not from the cache")
        )
        second = project(UNRELATED="1")
    assert second.services == first.services
    for one in (first, second):
        service = one.services["a"]
        assert service["mem_limit"] == 64 << 20 and str(service["mem_limit"]) == "67108864"
        assert service["volumes"][0]["tmpfs"]["size"] == 1024
        assert (service["restart"], service["restart"].policy) == ("on-failure:3", ("on-failure", 3))
        assert [(one, one.ports) for one in service["expose"]] == [("53/udp", (53, 53, "udp"))]
        check = service["healthcheck"]
        assert (check["interval"], check["timeout"]) == (90_000_000_000, 0)
        assert (str(check["interval"]), str(check["timeout"])) == ("1m30s", "0s")
    assert service_digest(first, "a", {}) == service_digest(second, "a", {})
    assert dict(second.marks) == dict(first.marks)
    assert second.environment["UNRELATED"] == "1"
    assert project(TAG="2").services["a"]["image"] == "x:2"
    (directory / "e.env").write_text("A=2\n")
    assert project().services["a"]["environment"] == {"A": "2"}
    (directory / ".env").write_text("TAG=3\n")
    assert project().services["a"]["image"] == "x:3"
    entries = list((tmp_path / "cache/pycompose/models").iterdir())
    assert entries and all(entry.stat().st_mode & 0o077 == 0 for entry in entries)
    for entry in entries:
        entry.write_bytes(b"\x00garbage")
    assert project().services["a"]["image"] == "x:3"
    for entry in entries:
        os.chmod(entry, 0o666)
    assert project().services["a"]["image"] == "x:3"


def test_what_is_cached_has_its_extensions(tmp_path: Path) -> None:
    """`deploy` reads schedules and the wishes for volumes from them: a second load must not lose any."""
    (tmp_path / "compose.yaml").write_text(
        "name: x\nservices: {a: {image: b, x-schedule: '0 3 * * *', deploy: {x-deep: {size: [1, {b: 2}]}}, volumes: ['data:/v']}}\n"
        "volumes: {data: {x-kubernetes: {size: 1G}}}\n"
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    projects = [load_project(LoadOptions(environment=environment, cwd=tmp_path)) for _ in range(2)]
    assert list((tmp_path / "cache").rglob("*/*"))
    for project in projects:
        service = project.services["a"]
        assert extension(service, "x-schedule") == "0 3 * * *"
        assert extension(service["deploy"], "x-deep") == {"size": [1, {"b": 2}]}
        assert extension(project.volumes["data"], "x-kubernetes") == {"size": "1G"}
    assert projects[0] == projects[1]


def test_what_is_cached_stays_off_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolated passwords are in it."""
    runtime, earlier = tmp_path / "runtime", tmp_path / ".cache/pycompose/models"
    runtime.mkdir()
    earlier.mkdir(parents=True)
    (earlier / "entry").write_text("password")
    (runtime / "pycompose-models").mkdir(mode=0o755)
    monkeypatch.setattr("pycompose.compose.load.cache._is_root", lambda: False)
    shell = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}")
    load_project(LoadOptions(files=(str(tmp_path / "compose.yaml"),), environment=shell, cwd=tmp_path))
    [entry] = (runtime / "pycompose-models").iterdir()
    assert entry.stat().st_mode & 0o077 == 0 and entry.parent.stat().st_mode & 0o077 == 0
    assert not earlier.exists()
    assert cache.directory({"HOME": str(tmp_path)}) is None
    monkeypatch.setattr("pycompose.compose.load.cache._is_root", lambda: True)
    assert cache.directory(shell) == "/run/pycompose-models"


def test_every_schema_key_has_a_status() -> None:
    entries = conformance.table()
    assert {entry.key for entry in entries} == conformance.schema_keys()
    for entry in entries:
        assert entry.status in conformance.STATUSES
        assert bool(entry.reason) == (entry.status != "supported"), entry


def test_docs_hold_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
    clusters = columns()
    for entry in conformance.table():
        cells = " | ".join(str(clusters[entry.key][kind]) for kind in ("swarm", "kubernetes"))
        row = f"| `{entry.key}` | {entry.status} | {entry.note} | {cells} |"
        assert row in text, f"run `pycompose conformance --format markdown`: {row}"


def test_bound_attributes_are_those_of_the_schema() -> None:
    from pycompose.compose.load import bind

    known = {field.key for field in bind.SERVICE}
    assert known == set(schema.document("service.json")["$defs"]["service"]["properties"])


def test_refused_and_ignored_keys_are_found() -> None:
    project = load("services:\n  a:\n    image: x\n    isolation: hyperv\n    storage_opt: {size: 1g}\n")
    assert [item.path for item in conformance.refused(project)] == [("services", "a", "storage_opt")]
    assert [item.path for item in conformance.ignored(project)] == [("services", "a", "isolation")]


def test_seq_keeps_places_in_step() -> None:
    items = Seq(["a"])
    items.add("b", ("f", 1, 2))
    assert items.places == [None, ("f", 1, 2)]
