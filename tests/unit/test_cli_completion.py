"""What the tab key offers, without an engine and without loading a project."""

from __future__ import annotations

import subprocess
from shutil import which
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.cli.candidates import complete, service_keys
from pycompose.compose.cli.verbs.completion import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path


def _names(*words: str) -> list[str]:
    return [line.split("\t")[0] for line in complete(words)]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYCOMPOSE_ROOT", str(tmp_path / "root"))
    return tmp_path


def test_verbs_and_nouns() -> None:
    names = _names("")
    assert {"up", "container", "login", "system"} <= set(names)
    assert {"run", "update", "cp"} <= set(_names("container", ""))
    assert "--project-name" in _names("--")


def test_flags_and_values() -> None:
    assert "--publish" in _names("container", "run", "--")
    assert _names("container", "run", "--pull", "") == ["always", "missing", "never"]
    assert _names("-f", "") == [":files"]
    assert _names("volume", "import", "data", "") == [":files"]
    assert _names("volume", "export", "data", "") == []
    assert _names("volume", "export", "-o", "") == [":files"]
    assert _names("completion", "") == ["bash", "zsh", "fish"]
    assert _names("import", "") == ["docker"]
    assert _names("snapshot", "pull", "") == []
    assert _names("import", "docker", "") == []
    assert _names("import", "docker", "--from", "") == [":files"]
    assert "--project" in _names("import", "docker", "--")


def test_services_come_from_the_files(nowhere: Path) -> None:
    (nowhere / "compose.yaml").write_text(
        "services:\n  web:  # first\n    image: x\n  # no\n  'db':\n    image: y\nvolumes:\n  data: {}\n"
    )
    assert _names("up", "") == ["db", "web"]
    assert _names("logs", "web", "") == ["db"]
    assert _names("-p", "other", "stop", "w") == ["db", "web"]
    assert _names("exec", "web", "") == []
    assert _names("debug", "web", "") == []


def test_no_engine_is_started(nowhere: Path) -> None:
    assert _names("container", "stop", "") == []
    assert not (nowhere / "root").exists()


def test_mistakes_are_silent() -> None:
    assert _names("container", "nosuch", "") == []
    assert _names("nosuch", "x", "") == []


def test_service_keys_of_other_forms() -> None:
    assert service_keys('{"services": {"a": {}}}') == []
    assert service_keys("x-a:\n  b: 1\nservices:\n    a:\n        image: i\n    <<: *x\n    b: {}\n") == ["a", "b"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_parse(shell: str) -> None:
    program = which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([program, "-n"], input=SCRIPTS[shell], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_offers_what_fits(nowhere: Path) -> None:
    program = which("bash")
    assert program is not None
    (nowhere / "pycompose").write_text("#!/bin/sh\nprintf 'start\\tx\\nstop\\ty\\nup\\n'\n")
    (nowhere / "pycompose").chmod(0o755)
    script = (
        f"PATH={nowhere}:$PATH\n{SCRIPTS['bash']}\nCOMP_WORDS=(pycompose st)\nCOMP_CWORD=1\n"
        'COMP_LINE="pycompose st"\nCOMP_POINT=12\n_pycompose\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run([program, "-c", script], text=True, capture_output=True, check=True)
    assert done.stdout == "start stop\n"
