"""What `build`'s flags say reaches the build section that is sent."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.build.request import service_tree
from pycompose.compose.cli.flags.parser import FlagError, Parser
from pycompose.compose.cli.verbs import build
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.build.trees import BuildFlags
    from pycompose.compose.model import Project

FILE = "name: demo\nservices:\n  web: {build: {context: ., provenance: mode=max, ssh: [default], args: {A: file, B: file}}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "compose.yaml").write_text(FILE)
    return load_project(LoadOptions(cwd=tmp_path, environment={}))


def flags(*words: str) -> BuildFlags:
    parser = Parser("build", "")
    build.add_arguments(parser)
    return build.overrides(parser.parse(words, Namespace()))


def test_the_file_counts_where_no_flag_is_given(project: Project) -> None:
    tree = service_tree(project, "web", flags())
    assert (tree["provenance"], tree["ssh"], "sbom" in tree) == ("mode=max", ["default"], False)
    assert (tree["no_cache"], tree["pull"], tree["args"]) == (False, False, {"A": "file", "B": "file"})


def test_flags_count_before_the_file(project: Project) -> None:
    words = ["--provenance", "false", "--sbom", "true", "--ssh", "k=/s", "--no-cache", "--pull", "-m", "1g"]
    given = flags(*words, "--build-arg", "A=flag", "--build-arg", "C")
    tree = service_tree(project, "web", given)
    assert (tree["provenance"], tree["sbom"], tree["ssh"]) == ("false", "true", ["k=/s"])
    assert (tree["no_cache"], tree["pull"], tree["args"]) == (True, True, {"A": "flag", "B": "file", "C": None})
    assert given["memory"] == 1 << 30


def test_a_size_that_is_none_is_named_with_its_flag() -> None:
    with pytest.raises(FlagError, match="--memory: invalid size: 'x'"):
        flags("-m", "x")
