"""What every test folder shares: root tests need root, and in CI none of them may be skipped."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# CI says the same of the same commit each time; other runs go on searching.
hypothesis.settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

sys.path.insert(0, str(Path(__file__).parent))

from support.reports import pytest_runtest_makereport  # noqa: E402

__all__ = ["pytest_runtest_makereport"]

_skipped_root_tests: list[str] = []

# What tests and the processes they start inherit. A background job of a shell ignores SIGINT and SIGQUIT, and some runners
# change the umask or set no locale: tests that interrupt a command, look at modes or read messages rest on all three.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
os.umask(0o022)
for _name in [name for name in os.environ if name.startswith("LC_") or name in ("LANG", "LANGUAGE")]:
    del os.environ[_name]
os.environ["LC_ALL"] = "C.UTF-8"


# Engines append to it when their loop was held (engine/watchdog.py).
_LOOP_REPORT = Path(tempfile.mkstemp(prefix="pycompose-loop-")[1])
os.environ["PYCOMPOSE_LOOP_REPORT"] = str(_LOOP_REPORT)


@pytest.fixture(autouse=True)
def _no_engine_is_held() -> Iterator[None]:
    """No test may hold an engine's loop: whoever talks to that engine waits."""
    before = _LOOP_REPORT.stat().st_size
    yield
    with _LOOP_REPORT.open() as file:
        file.seek(before)
        assert not (held := file.read()), held


def pytest_unconfigure() -> None:
    _LOOP_REPORT.unlink(missing_ok=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what was produced into tests/golden/data")
    parser.addoption("--slow", action="store_true", help="run the soak, fuzz and benchmark tests as well")
    parser.addoption("--fuzz-minutes", default="30", help="how long each target of tests/fuzz runs with --slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        if item.get_closest_marker("slow") and not (
            config.getoption("--slow") or "slow" in (config.option.markexpr or "")
        ):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


_MAY_SKIP = ("rootless", "slow", "peer", "cgroup2", "apparmor", "cluster", "browser")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "root" in report.keywords and not any(marker in report.keywords for marker in _MAY_SKIP):
        _skipped_root_tests.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("CI") and _skipped_root_tests and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") and _skipped_root_tests:
        terminalreporter.section("root tests skipped, which CI does not accept")
        for nodeid in _skipped_root_tests:
            terminalreporter.write_line(nodeid)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
