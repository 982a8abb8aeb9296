"""`engine install` and `uninstall`: the units, what is asked of systemd, and what is told without it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pycompose.compose.app.installing import MARK, Installation, line_for_init, unit_directory
from pycompose.compose.cli.main import main
from pycompose.compose.cli.verbs.engine import install

COMMAND = ("/usr/bin/pycompose", "engine", "run")
SYSTEM = Installation(COMMAND, "/run/pycompose/engine.sock", None, False, "/etc/systemd/system")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PYCOMPOSE_HOST", "PYCOMPOSE_ROOT", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(install, "RUNNING", str(tmp_path / "not there"))
    return tmp_path


def test_units() -> None:
    units = SYSTEM.units()
    service, socket = units["/etc/systemd/system/pycompose.service"], units["/etc/systemd/system/pycompose.socket"]
    assert service.startswith(MARK) and socket.startswith(MARK)
    assert "\nExecStop=/usr/bin/pycompose engine stop --at-shutdown\n" in service
    for line in ("KillMode=process", "Delegate=yes", "ExecStart=/usr/bin/pycompose engine run", "Restart=on-failure"):
        assert f"\n{line}\n" in service
    assert "\nRemoveOnStop=yes\n" in socket, "an uninstalled engine leaves no dead socket"
    assert "WantedBy=multi-user.target" in service and "ListenStream=/run/pycompose/engine.sock" in socket
    user = SYSTEM._replace(user=True, directory="/home/u/.config/systemd/user").units()
    text = user["/home/u/.config/systemd/user/pycompose.service"]
    assert "WantedBy=default.target" in text and "network-online" not in text


def test_a_root_of_its_own_has_units_of_its_own() -> None:
    one, other = SYSTEM._replace(root="/a b"), SYSTEM._replace(root="/a-b")
    assert len({SYSTEM.name, one.name, other.name}) == 3
    odd = one._replace(command=("/opt/a b/py", "--root", '/50%$x"y'), socket="/50%/engine.sock")
    service, socket = odd.units()[f"{odd.directory}/{odd.name}.service"], "".join(odd.units().values())
    assert 'ExecStart="/opt/a b/py" --root "/50%%$$x\\"y"\n' in service
    assert f"Requires={odd.name}.socket" in service and "ListenStream=/50%%/engine.sock" in socket


def test_unit_directory() -> None:
    assert unit_directory({"HOME": "/root"}, user=False) == "/etc/systemd/system"
    assert unit_directory({"HOME": "/home/u"}, user=True) == "/home/u/.config/systemd/user"
    assert unit_directory({"HOME": "/home/u", "XDG_CONFIG_HOME": "/c"}, user=True) == "/c/systemd/user"


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("init", "/etc/inittab"),
        ("openrc-init", "rc-update add local"),
        ("runit", "/etc/service/pycompose/run"),
        ("s6-svscan", "/run/service/pycompose/run"),
        ("tini", "@reboot"),
    ],
)
def test_other_inits(init: str, expected: str) -> None:
    line = line_for_init(COMMAND, init, user=False)
    assert expected in line and "/usr/bin/pycompose engine run" in line
    assert subprocess.run(["sh", "-n", "-c", line], check=False).returncode == 0
    assert "@reboot" in line_for_init(COMMAND, init, user=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    odd = SYSTEM._replace(command=("/bin/true", "a b", "50%$x"), root="/a b", directory=str(tmp_path))
    paths = [Path(path) for path in odd.units()]
    for path, text in zip(paths, odd.units().values(), strict=True):
        path.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if odd.name in line]
    assert (done.returncode, ours) == (0, [])


def test_below_a_directory(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"--destdir={root}"
    assert main(["engine", "install", where]) == 0
    told = capsys.readouterr().out
    written = sorted(path for path in root.rglob("*") if path.is_file())
    assert [path.name for path in written] == ["pycompose.service", "pycompose.socket"]
    assert told.count(": written\n") == 2 and "docker context create pycompose" in told and "DOCKER_HOST=unix" in told
    assert main(["engine", "install", where]) == 0
    assert capsys.readouterr().out.count(": unchanged\n") == 2

    assert main(["--dry-run", "engine", "uninstall", where]) == 0 and all(path.exists() for path in written)
    assert main(["engine", "uninstall", where]) == 0
    assert not any(path.is_file() for path in root.rglob("*"))
    capsys.readouterr()
    assert main(["engine", "uninstall", where]) == 0 and "nothing to do" in capsys.readouterr().out


def test_units_of_others_stay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["engine", "install", f"--destdir={root}"])
    (service,) = root.rglob("pycompose.service")
    service.write_text("[Service]\nExecStart=/mine\n")
    for verb in ("install", "uninstall"):
        assert main(["engine", verb, f"--destdir={root}"]) == 1
        assert f"{service} is not of `pycompose engine install`" in capsys.readouterr().err
    assert service.read_text() == "[Service]\nExecStart=/mine\n"


def test_dry_run_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "install", "--dry-run", f"--destdir={root}"]) == 0
    assert "[Service]" in capsys.readouterr().out and list(root.iterdir()) == []


def test_without_systemd_a_line_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "engine", "install"]) == 0
    captured = capsys.readouterr()
    assert "systemd does not run here" in captured.err and f"--root {root} engine run" in captured.out
    assert list(root.iterdir()) == []


def test_what_systemd_is_asked(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A systemctl that writes down how it is called, and fails when it is told to."""
    tools = root / "bin"
    tools.mkdir()
    script = tools / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$*" >>{root}/calls\n[ ! -e {root}/fail ] || {{ echo Broken >&2; exit 1; }}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root / "config"))
    monkeypatch.setattr(install, "RUNNING", str(root))
    monkeypatch.setattr("pycompose.compose.cli.verbs.engine.uninstall.RUNNING", str(root))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root))
    monkeypatch.setenv("XDG_DATA_HOME", str(root / "data"))
    assert main(["engine", "install", "--user", "--now"]) == 0
    assert "loginctl enable-linger" in capsys.readouterr().out
    units = "pycompose.socket pycompose.service"
    calls = root / "calls"
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        f"--user enable {units}",
        f"--user start {units}",
    ]
    calls.unlink()
    assert main(["engine", "uninstall"]) == 0
    assert calls.read_text().splitlines() == [f"--user disable --now {units}", "--user daemon-reload"]
    (root / "fail").touch()
    assert main(["engine", "install"]) == 1
    assert capsys.readouterr().err == "systemctl --user daemon-reload: Broken\n"


@pytest.mark.parametrize("words", [["-H", "tcp://127.0.0.1:1", "engine", "install"], ["engine", "install", "--user"]])
def test_refused(
    root: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert main(words) != 0
    assert capsys.readouterr().err.count("\n") == 1
