"""What `pycompose test` says afterwards: one value, as text for people, as JUnit XML and as JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("junit", "json")
# XML 1.0 has no way to write these; a log may well hold them.
_UNPRINTABLE = {code: "�" for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """``state`` as in `ps`; ``exit_code`` None while it runs; ``logs`` its last lines."""

    service: str
    container: str
    state: str
    health: str = ""
    exit_code: int | None = None
    logs: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """Times in seconds. ``problem`` says why there was no ready stack; then the command has not run and has no code."""

    project: str
    command: tuple[str, ...]
    set_up_seconds: float
    problem: str = ""
    exit_code: int | None = None
    command_seconds: float = 0.0
    services: tuple[ServiceReport, ...] = field(default=())

    @property
    def failed(self) -> bool:
        return bool(self.problem) or self.exit_code != 0


def as_text(report: RunReport) -> str:
    """Logs of every service, each under a heading with its state."""
    lines: list[str] = []
    for one in report.services:
        words = one.state + (f", {one.health}" if one.health else "")
        words += f", exit code {one.exit_code}" if one.exit_code is not None else ""
        lines.append(f"---- {one.service} ({one.container}): {words}")
        lines += one.logs.splitlines() or ["(no output)"]
    return "\n".join(lines)


def as_json(report: RunReport) -> str:
    return json.dumps(asdict(report), indent=2)


def as_junit(report: RunReport) -> str:
    """One suite: the set-up and the command as cases, the logs of the services as its standard error."""
    from xml.etree import ElementTree

    cases: Sequence[tuple[str, float, str]] = [("set-up", report.set_up_seconds, report.problem)]
    if not report.problem:
        failure = "" if report.exit_code == 0 else f"exit code {report.exit_code}"
        cases = [*cases, (" ".join(report.command), report.command_seconds, failure)]
    suite = ElementTree.Element(
        "testsuite",
        name=report.project,
        tests=str(len(cases)),
        failures=str(sum(1 for *_, failure in cases if failure)),
        errors="0",
        time=f"{report.set_up_seconds + report.command_seconds:.3f}",
    )
    for name, seconds, failure in cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname="pycompose", name=_clean(name), time=f"{seconds:.3f}"
        )
        if failure:
            element = ElementTree.SubElement(case, "failure", message=_clean(failure.splitlines()[0]))
            element.text = _clean(failure)
    ElementTree.SubElement(suite, "system-err").text = _clean(as_text(report))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return text.translate(_UNPRINTABLE).encode("utf-8", "replace").decode()
