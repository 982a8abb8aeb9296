"""Details of a conversion that no golden file shows: what is looked up for one is not taken for another, and what is small stays so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycompose.compose import files
from pycompose.compose.cli import main as cli
from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.kubernetes.convert import convert
from pycompose.compose.deploy.kubernetes.facts import Facts
from pycompose.compose.deploy.kubernetes.files import LONGEST_KEY, MANY
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def converted(directory: Path, text: str, **facts: Any) -> tuple[dict[str, Any], Findings]:
    (directory / "compose.yaml").write_text("name: shop\n" + text)
    project = load_project(LoadOptions(files=(str(directory / "compose.yaml"),), environment={}, cwd=directory))
    findings = Findings(project)
    return {one.key: one.body for one in convert(project, Facts("shop", **facts), findings)}, findings


def test_a_step_has_its_own_user_and_not_what_is_known_of_the_services(tmp_path: Path) -> None:
    steps = "[{command: [a]}, {command: [b], user: root}, {command: [c], user: postgres}, {command: [d], image: other}]"
    objects, findings = converted(
        tmp_path,
        f"services: {{web: {{image: x, user: www-data, pre_start: {steps}}}}}",
        users={"web": (33, 34)},
    )
    first = objects["Deployment web"]["spec"]["template"]["spec"]["initContainers"]
    assert [one.get("securityContext", {}).get("runAsUser") for one in first] == [33, 0, None, None]
    assert [one.path for one in findings.refused] == [
        ("services", "web", "pre_start", 2, "user"),
        ("services", "web", "pre_start", 3, "image"),
    ]


def test_two_files_of_a_directory_are_two_keys(tmp_path: Path) -> None:
    deep = tmp_path / "tree" / ("d" * 200)
    deep.mkdir(parents=True)
    (tmp_path / "tree" / "a").mkdir()
    names = ["a/b", "a__b", "..data", f"{'d' * 200}/{'e' * 200}"]
    for name in names:
        (tmp_path / "tree" / name).write_text(name)
    objects, findings = converted(tmp_path, "services: {web: {image: x, volumes: ['./tree:/tree:ro']}}")
    assert findings.refused == []
    (source,) = [one for key, one in objects.items() if key.startswith("ConfigMap tree")]
    volumes = objects["Deployment web"]["spec"]["template"]["spec"]["volumes"]
    (items,) = [one["configMap"]["items"] for one in volumes]
    assert {one["path"]: source["data"][one["key"]] for one in items} == {name: name for name in names}
    assert all(len(key) <= LONGEST_KEY and not key.startswith("..") for key in source["data"])


def test_a_directory_that_is_no_small_one_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(MANY + 50):
        (tmp_path / "tree" / str(number)).write_text("x")
    read: list[str] = []
    real = files.read

    def counting(path: str, limit: int = files.LIMIT) -> bytes:
        read.append(path)
        return real(path, limit)

    monkeypatch.setattr(files, "read", counting)
    _, findings = converted(tmp_path, "services: {web: {image: x, volumes: ['./tree:/tree:ro']}}")
    assert len([one for one in read if "/tree/" in one]) == MANY + 1
    assert "has more than" in str(findings.refused[0])


def test_pods_that_are_not_doubled_are_replaced_at_once_and_that_is_told(tmp_path: Path) -> None:
    text = "services: {web: {image: x, volumes: ['data:/data'], deploy: {update_config: {parallelism: 2}}}}\nvolumes: {data: {}}"
    objects, findings = converted(tmp_path, text)
    assert objects["Deployment web"]["spec"]["strategy"] == {"type": "Recreate"}
    (told,) = findings.ignored
    assert told.path == ("services", "web", "deploy", "update_config", "parallelism")


def test_an_empty_entrypoint_makes_the_command_all_that_runs(tmp_path: Path) -> None:
    objects, findings = converted(tmp_path, "services: {web: {image: x, entrypoint: [], command: [run, $$x]}}")
    (container,) = objects["Deployment web"]["spec"]["template"]["spec"]["containers"]
    assert (container["command"], "args" in container, findings.refused) == (["run", "$$x"], False, [])


def test_a_job_that_only_the_clock_starts_is_not_run_on_a_cluster_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services: {a: {image: x}}\njobs: {j: {image: x, triggers: {manual: false, schedule: ['* * * * *']}}}\n"
    )
    assert cli.main(["-f", str(file), "run", "--to", "kubernetes:nowhere", "j"]) != 0
    assert "cannot be started by hand" in capsys.readouterr().err


def test_a_target_that_makes_no_sense_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("x-deploy:\n  p:\n    to: swarm\n    contxt: x\nservices: {a: {image: x}}\n")
    assert cli.main(["-f", str(file), "deploy", "p"]) == 15
    assert f"{file}:4:5: x-deploy.p.contxt: unknown key" in capsys.readouterr().err
