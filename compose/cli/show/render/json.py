"""One JSON object per change, for programs. The keys are those of Docker Compose's ``--progress json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....run.events import BuildStep, Output

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....run.events import Event

_WORDS = {"working": "Working", "done": "Done", "warning": "Warning", "error": "Error"}


class JsonRenderer:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __enter__(self) -> JsonRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def handle(self, event: Event) -> None:
        tree: dict[str, object] = {"id": event.id}
        if isinstance(event, BuildStep):
            tree |= event.body
        elif isinstance(event, Output):
            tree["output"] = event.text
        else:
            tree |= {"status": _WORDS[event.state], "text": event.status}
            if event.parent:
                tree["parent_id"] = event.parent
            if event.detail:
                tree["details"] = event.detail
            if event.total:
                tree |= {"current": event.current, "total": event.total, "percent": event.current * 100 // event.total}
        self._out.write(json.dumps(tree) + "\n")
        self._out.flush()
