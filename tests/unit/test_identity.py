"""The project's name, found without loading the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pycompose.compose.app.identity import ConfigurationNotFound, find_identity
from pycompose.compose.app.session import refuse_foreign
from pycompose.compose.errors import PlanError, UsageError
from pycompose.compose.labels import WORKING_DIR, normalize_project_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Path:
    directory = tmp_path / "My.App"
    directory.mkdir()
    (directory / "compose.yaml").write_text("services: {}\n")
    return directory


def test_directory_name_is_the_last_resort(here: Path) -> None:
    found = find_identity(str(here), {})
    assert (found.name, found.directory, found.explicit) == ("myapp", str(here), False)


def test_found_from_below(here: Path) -> None:
    (here / "a" / "b").mkdir(parents=True)
    assert find_identity(str(here / "a" / "b"), {}).directory == str(here)


def test_override_file_comes_along(here: Path) -> None:
    (here / "compose.override.yaml").write_text("name: other\n")
    found = find_identity(str(here), {})
    assert found.name == "other"
    assert [path.rsplit("/", 1)[1] for path in found.files] == ["compose.yaml", "compose.override.yaml"]


@pytest.mark.parametrize(
    ("line", "name"), [("name: demo", "demo"), ('name: "demo"  # x', "demo"), ("name: ${X}", None), ("name: A B", None)]
)
def test_written_name(here: Path, line: str, name: str | None) -> None:
    (here / "compose.yaml").write_text(f"{line}\nservices:\n  web:\n    name: no\n")
    assert find_identity(str(here), {}).name == name


def test_precedence(here: Path) -> None:
    (here / "compose.yaml").write_text("name: file\n")
    (here / ".env").write_text("COMPOSE_PROJECT_NAME='dotenv'\n")
    assert find_identity(str(here), {}).name == "dotenv"
    assert find_identity(str(here), {"COMPOSE_PROJECT_NAME": "env"}).name == "env"
    assert find_identity(str(here), {"COMPOSE_PROJECT_NAME": "env"}, project_name="flag").name == "flag"


def test_compose_file_variable(here: Path) -> None:
    (here / "x.yaml").write_text("name: x\n")
    found = find_identity(str(here), {"COMPOSE_FILE": "compose.yaml:x.yaml"})
    assert found.name == "x"
    assert len(found.files) == 2


def test_nothing_to_go_by(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationNotFound) as caught:
        find_identity("/proc", {})
    assert caught.value.exit_code == 14
    assert find_identity("/proc", {}, project_name="demo").files == ()


def test_impossible_name(here: Path) -> None:
    with pytest.raises(UsageError, match="invalid project name"):
        find_identity(str(here), {}, project_name="No")


def test_normalize() -> None:
    assert normalize_project_name("_My.App-2") == "myapp-2"


def test_two_checkouts_with_one_name(tmp_path: Path) -> None:
    refuse_foreign("demo", str(tmp_path), [])
    refuse_foreign("demo", str(tmp_path), [{WORKING_DIR: str(tmp_path)}, {WORKING_DIR: "/elsewhere"}])
    with pytest.raises(PlanError) as caught:
        refuse_foreign("demo", str(tmp_path), [{WORKING_DIR: "/elsewhere"}])
    assert "/elsewhere" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
