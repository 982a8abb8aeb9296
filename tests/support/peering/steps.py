"""One step of a session: a request, with names that stand for what each engine has called things itself.

``{id:w1}`` in a path is the identifier of the container that was last created as ``w1``, ``{exec:e1}`` that of an exec.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """``body``: JSON, or bytes as a list of (name, content) of a tar. ``alias`` names the identifier in the answer.

    ``touches`` are objects whose inspection is compared afterwards, as paths. ``settle`` is a container to wait for.
    """

    method: str
    path: str
    body: Any = None
    alias: str = ""
    touches: tuple[str, ...] = ()
    settle: str = ""
    kind: str = field(default="")

    def removed(self) -> Step:
        """A removal's path has no slash before its query."""
        return replace(self, path=self.path.replace("/?", "?"))

    def checked(self) -> Step:
        """Calls that would do something, or wait for ever, without being meant to are only looked at."""
        streams = self.method in ("GET", "HEAD") and self.path == "/events"
        ends = self.method == "DELETE" and self.path == "/images/busybox"  # what every container is made of
        return replace(self, method="OPTIONS") if streams or ends else self

    def line(self) -> str:
        """The step as one line of JSON, for replaying."""
        return json.dumps([self.method, self.path, self.body, self.alias, list(self.touches), self.settle, self.kind])

    @classmethod
    def parse(cls, line: str) -> Step:
        method, path, body, alias, touches, settle, kind = json.loads(line)
        return cls(method, path, body, alias, tuple(touches), settle, kind)
