"""Models that services use, as operations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ops import Cause, ConfigureModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project


def plan_models(project: Project, names: Sequence[str]) -> list[ConfigureModel]:
    """What must be known of the models that the services ``names`` use before their containers can be created."""
    users = {model: name for name in reversed(names) for model in project.services[name].get("models") or ()}
    return [
        ConfigureModel(
            model=model,
            cause=Cause(
                f"service {users[model]} uses it", mark=project.mark("services", users[model], "models", model)
            ),
        )
        for model in project.models
        if model in users
    ]
