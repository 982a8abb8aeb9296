"""Whose project it is: two directories with one project name are two projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import labels
from ...errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ..observe import Snapshot


def check_identity(project: Project, snapshot: Snapshot) -> None:
    """Two directories with one project name are two projects: refuse the second, naming both."""
    from ...remote import place

    here = place(str(project.directory), project.environment)
    others: Sequence[str] = sorted({one.working_dir for one in snapshot.containers if one.working_dir})
    foreign = [other for other in others if place(other, project.environment) != here]
    if foreign and len(foreign) == len(others):
        raise PlanError(
            f'project "{project.name}" already exists, made from {foreign[0]}; this is {project.directory}.'
            f" Choose another name with -p, COMPOSE_PROJECT_NAME or the top-level name, or take the other one down first"
            f" ({labels.PROJECT}={project.name})."
        )
