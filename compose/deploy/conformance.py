"""What becomes of the Compose Specification's keys on a cluster, by the columns of the conformance table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plan.preflight import restart_faults
from .findings import Findings

if TYPE_CHECKING:
    from ..errors import Diagnostic
    from ..model import Project
    from .backend import Backend


def check_supported(project: Project, kind: str, backend: Backend) -> list[Diagnostic]:
    """Refuse what the target cannot carry out, with every place, before anything is made; the keys without effect. Raises `LoadError`."""
    from ..plan.graph import check
    from .columns import uses

    check(project)
    findings = Findings(project)
    for path, status, reason in uses(project, kind):
        if status == "refused":
            findings.refuse(path, reason)
        else:
            findings.ignore(path, reason)
    _check_restarts(project, findings)
    findings.check()
    backend.check(project, findings)
    findings.check()
    return findings.ignored


def _check_restarts(project: Project, findings: Findings) -> None:
    """No cluster is asked about a policy's name: what it is told is made of the ones that are known."""
    from ...grammar.restart import NAMES

    faults = list(restart_faults(project, project.services))
    findings.refused += faults
    wrong = {fault.path for fault in faults}
    for service, tree in project.services.items():
        path = ("services", service, "restart")
        if "restart" in tree and path not in wrong and (name := tree["restart"].policy[0]) not in NAMES:
            findings.refuse(path, f"unknown restart policy {name!r}; {', '.join(NAMES)} are known")
