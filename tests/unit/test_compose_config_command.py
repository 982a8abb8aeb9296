"""`config`, `explain` and `conformance` as commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """\
name: demo
services:
  web:
    image: nginx:${TAG:-1}
    profiles: [x, "y"]
    volumes: [data:/d]
  db:
    image: pg
    scale: 2
    environment: {A: "${FOO?need}", DB_PASSWORD: "${PW:-hunter2}"}
    cpus: 0.5
    depends_on: {c: {condition: service_started}}
  c:
    build: {context: /src, args: [X]}
volumes: {data: {}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOO", "1")
    for name in ("TAG", "PW", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("flags", "output"),
    [
        (("--services",), "c\ndb\n"),
        (("--volumes",), ""),
        (("--networks",), "default\n"),
        (("--profiles",), "x\ny\n"),
        (("--images",), "demo-c\npg\n"),
        (("--images", "web"), "nginx:1\n"),
        (("--quiet",), ""),
        (
            ("--variables",),
            "NAME                REQUIRED            DEFAULT VALUE       ALTERNATE VALUE\n"
            "FOO                 true                                    \n"
            "PW                  false               hunter2             \n"
            "TAG                 false               1                   \n",
        ),
    ],
)
def test_lists(project: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], output: str) -> None:
    code, out, _ = run(capsys, "config", *flags)
    assert (code, out) == (0, output)


def test_hash_is_that_of_docker_compose(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "compose.yaml").write_text("services:\n  a:\n    image: x\n    build: .\n    scale: 3\n    cpus: 0.5\n")
    code, out, _ = run(capsys, "config", "--hash", "*")
    assert (code, out) == (0, "a c985f1758355672507c02638d30e1cb03b4805230aa188e3386d356414cd542b\n")


def test_json_has_no_line_break_at_the_end(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "config", "--format", "json", "web")
    assert code == 0 and not out.endswith("\n")
    tree = json.loads(out)
    assert list(tree) == ["name", "networks", "services", "volumes"]
    assert tree["volumes"] == {"data": {"name": "demo_data"}}


def test_output_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "config", "-o", "out.yaml")
    assert (code, out) == (0, "")
    assert (project / "out.yaml").read_text().startswith("name: demo\nservices:\n  c:\n")


def test_uninterpolated(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "config", "--no-interpolate")
    assert "image: nginx:${TAG:-1}" in out and "A: ${FOO?need}" in out


def test_errors_are_one_exit_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "compose.yaml").write_text("services:\n  web:\n    imagee: x\n")
    code, out, err = run(capsys, "config")
    assert (code, out) == (15, "")
    assert f"{project}/compose.yaml:3:5: unknown key services.web.imagee (did you mean image?)" in err
    assert "Traceback" not in err


def test_explain(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "compose.override.yaml").write_text("services:\n  db:\n    environment:\n      A: $TAG-${FOO}\n")
    (project / ".env").write_text("TAG=7\n")
    code, out, _ = run(capsys, "explain", "services.db.environment.A")
    assert code == 0
    assert out == (
        'services.db.environment.A = "7-1"\n'
        f'    {project}/compose.yaml:10:19: ${{FOO?need}} -> "1"\n'
        '      FOO = "1" from shell\n'
        f'  * {project}/compose.override.yaml:4:7: $TAG-${{FOO}} -> "7-1"\n'
        f'      TAG = "7" from {project}/.env:1\n'
        '      FOO = "1" from shell\n'
    )


def test_explain_masks_secrets(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", "tiger")
    for path in ("services.db.environment.DB_PASSWORD", "services.db.environment", "services.db"):
        for shape in ("text", "json"):
            _, out, _ = run(capsys, "explain", path, "--format", shape)
            assert "hunter2" not in out and "tiger" not in out
            assert "********" in out


def test_explain_says_what_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "explain", "services.dv.image")
    assert code == 1 and "nothing sets services.dv.image (did you mean db?)" in err


def test_conformance(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "conformance", "--format", "json", "services.*.isolation")
    assert code == 0
    assert [row["key"] for row in json.loads(out)] == ["services.*.isolation"]
    assert run(capsys, "conformance")[1].splitlines()[-1].count(",") == 2
