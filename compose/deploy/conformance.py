"""What becomes of the Compose Specification's keys on a cluster, by the columns of the conformance table."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    backend.check(project, findings)
    findings.check()
    return findings.ignored
