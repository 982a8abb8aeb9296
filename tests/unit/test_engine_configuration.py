"""engine.yaml: what is accepted, where errors are, and that our reading of the schema is JSON Schema's."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from support.shown import PAGES, blocks

from pycompose.engine.configuration import ConfigurationError, Settings, load, settings, verification
from pycompose.engine.configuration.document import parse
from pycompose.engine.configuration.schema import faults
from pycompose.engine.configuration.settings import schema
from pycompose.engine.configuration.upkeep import Upkeep
from pycompose.engine.layout import Layout
from pycompose.engine.networks.ipam import DEFAULT_POOLS, DefaultPool

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = """
mirrors:
  docker.io: [https://mirror.example, "http://10.0.0.1:5000/hub"]
insecure-registries: ["registry.local:5000"]
downloads: 8
uploads: 2
address-pools:
  - {base: 10.200.0.0/16, size: 24}
  - base: fd00:1::/48
    size: 64
dns: [9.9.9.9]
dns-search: [example.org]
dns-options: ["ndots:2"]
log: {driver: local, options: {max-size: 5m, max-file: 2, compress: true}}
idle-timeout: 5m
gc: {every: 30m, build-cache: {size: 20GB, unused: 7d}, images: {unused: 720h}, logs: {unused: 60}}
build: {workers: 3}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "engine.yaml"
    path.write_text(text)
    return path


def test_the_documentation_shows_what_counts_without_a_file(tmp_path: Path) -> None:
    """But for the pools, of which it shows one a range, and the idle time, which counts for other clients too once it is written."""
    page = next(page for page in PAGES if page.name == "engine-configuration.md")
    shown = next(block.text for block in blocks(page.read_text()) if block.word == "engine.yaml")
    keys = set(schema()["properties"])
    assert keys - set(re.findall(r"^#?([a-z-]+):", shown, re.MULTILINE)) == set()
    written_out = load(written(tmp_path, shown))
    assert dataclasses.replace(written_out, pools=DEFAULT_POOLS, idle=None) == load(written(tmp_path, ""))


def test_complete(tmp_path: Path) -> None:
    settings = load(written(tmp_path, COMPLETE))
    assert settings.registries.mirrors == {"docker.io": ("https://mirror.example", "http://10.0.0.1:5000/hub")}
    assert settings.registries.insecure == {"registry.local:5000"}
    assert (settings.registries.downloads, settings.registries.uploads) == (8, 2)
    assert settings.pools == (DefaultPool("10.200.0.0/16", 24), DefaultPool("fd00:1::/48", 64))
    assert settings.resolver.servers == ("9.9.9.9",)
    assert settings.resolver.search == ("example.org",)
    assert settings.resolver.options == ("ndots:2",)
    assert settings.log == {"Type": "local", "Config": {"max-size": "5m", "max-file": "2", "compress": "true"}}
    assert settings.idle == 300
    assert settings.workers == 3
    assert settings.upkeep == Upkeep(1800, 604_800, 20_000_000_000, 2_592_000, 60)
    assert settings.upkeep.is_wanted and not Settings().upkeep.is_wanted


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "~"])
def test_nothing_said(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text)) == Settings()
    assert Settings().pools == DEFAULT_POOLS


def test_no_file(tmp_path: Path) -> None:
    assert load(tmp_path / "engine.yaml") == Settings()
    with pytest.raises(ConfigurationError, match="no such file"):
        load(tmp_path / "engine.yaml", required=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mirors: {}", "1:1: mirors: unknown key; did you mean mirrors?"),
        ("dns: 8.8.8.8", "1:6: dns: must be a list"),
        ("dns:\n  - 8.8.8.8\n  - nine", "3:5: dns[1]: 'nine' is no IP address"),
        ("address-pools: []", "1:16: address-pools: must not be empty"),
        ("address-pools: [{base: 10.0.0.0/8}]", "1:17: address-pools[0]: size is missing"),
        ("address-pools:\n- base: 10.0.0.1/8\n  size: 16", "2:9: address-pools[0].base: 10.0.0.1/8 has host bits set"),
        ("address-pools:\n- base: 10.0.0.0/16\n  size: 8", "3:9: address-pools[0].size: must be between 16 and 30"),
        ("log: {driver: journald}", "1:15: log.driver: must be one of json-file, local, none, syslog"),
        ("log: {options: {max-sizes: 1m}}", "1:16: log.options: unknown log opt 'max-sizes' for json-file log driver"),
        ("idle-timeout: soon", "1:15: idle-timeout: 'soon' is not of the form"),
        ("idle-timeout: -1", "1:15: idle-timeout: must not be less than 0"),
        ("build:\n  workers: 0", "2:12: build.workers: must not be less than 1"),
        ("gc: {build-cache: {size: much}}", "1:26: gc.build-cache.size: 'much' is no size, such as 20GB"),
        ("gc: {images: {unused: 3w}}", "1:23: gc.images.unused: '3w' is not of the form"),
        ("gc: {volumes: {unused: 1h}}", "1:6: gc.volumes: unknown key"),
        ("gc: {every: 0}", "1:13: gc.every: at least a second"),
        ("downloads: yes please", "1:12: downloads: must be a whole number"),
        ("downloads: true", "1:12: downloads: must be a whole number"),
        ("a: 1\na: 2", "2:1: a: given twice"),
        ("dns: &a [8.8.8.8]\ndns-search: *a", "1:6: aliases are not supported here"),
        ("dns: [", "2:1: not valid YAML"),
        ("- a", "1:1: must be a mapping"),
        ("a: 1\n---\nb: 2", "2:1: not valid YAML"),
        ("mirrors: {docker.io: ['ftp:// x']}", "1:23: mirrors.docker.io[0]: 'ftp:// x' is not of the form"),
    ],
)
def test_faults(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert f"{path}:{expected}" in str(caught.value)


def test_all_faults_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, "dns: 1\nuploads: 0\nwhat: 1\n"))
    assert len(str(caught.value).splitlines()) == 3


def samples() -> list[Any]:
    values: list[Any] = [None, True, 0, 1, 33, "x", "", "json-file", "10s", [], ["x"], [1], {}, {"x": "y"}]
    values += [{"driver": "local"}, {"workers": 2}, {"docker.io": ["https://m"]}, [{"base": "a", "size": 1}]]
    keys = schema()["properties"]
    return [{key: value} for key in keys for value in values] + [*values, {"unknown": 1}]


def test_the_reading_of_the_schema_is_json_schemas() -> None:
    rules = schema()
    jsonschema.Draft202012Validator.check_schema(rules)
    validator = jsonschema.Draft202012Validator(rules)
    for sample in samples():
        value = parse(yaml.safe_dump(sample).encode(), "x")
        if value is not None:
            assert (next(faults(value, rules), None) is None) == validator.is_valid(sample), sample


def test_the_types_name_the_keys_of_the_schema() -> None:
    keys = schema()["properties"]
    assert set(settings.Tree.__annotations__) == set(keys)
    assert set(settings.LogTree.__annotations__) == set(keys["log"]["properties"])
    assert set(settings.BuildTree.__annotations__) == set(keys["build"]["properties"])
    assert set(settings.PoolTree.__annotations__) == set(keys["address-pools"]["items"]["properties"])
    assert set(verification.RuleTree.__annotations__) == set(keys["verify"]["items"]["properties"])


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    assert Layout.for_root(tmp_path).configuration == tmp_path / "engine.yaml"
    assert str(Layout.for_root(None).configuration).endswith("pycompose/engine.yaml")
