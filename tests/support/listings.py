"""Objects as an engine lists and tells them, of a project called demo."""

from __future__ import annotations

from typing import Any


def row(
    service: str, state: str = "running", status: str = "Up 1 second", needs: str = "", **more: Any
) -> dict[str, Any]:
    tags = {
        "com.docker.compose.project": "demo",
        "com.docker.compose.service": service,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.depends_on": needs,
    }
    return {
        "Id": service * 8,
        "Names": [f"/demo-{service}-1"],
        "Image": "x",
        "State": state,
        "Status": status,
        "Created": 10,
        "Labels": tags,
        **more,
    }


def event(service: str, action: str, at: float, kind: str = "container", **attributes: str) -> dict[str, Any]:
    tags = {"com.docker.compose.project": "demo", "com.docker.compose.service": service, "name": f"demo-{service}-1"}
    return {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": service * 8, "Attributes": {**tags, **attributes}},
        "timeNano": int(at * 1e9),
    }
