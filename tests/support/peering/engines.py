"""One of the two engines: its answers, and what it calls what the session calls by short names."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.archives import tar
from support.engine_root import UnixConnection

if TYPE_CHECKING:
    from .steps import Step

VERSION = "/v1.51"
_NAMED = re.compile(r"\{(\w+):([^{}]*)\}")
_UNKNOWN = "f" * 64


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    """JSON where it is JSON, a list of JSON where there are lines of it, else bytes."""
    kind: str = ""


class Peer:
    """An engine at a socket. ``patience`` bounds each request, in seconds; ``version`` is the prefix of paths."""

    def __init__(self, name: str, socket: str, patience: float = 30, version: str = VERSION) -> None:
        self._version = version
        self.name = name
        self._socket = socket
        self._patience = patience
        self.aliases: dict[str, str] = {}

    def take(self, step: Step) -> Answer:
        """Make the step's request, and remember the identifier that it answers."""
        answer = self.request(step.method, step.path, self._body(step.body))
        if step.alias and answer.status < 300 and isinstance(answer.body, dict):
            self.aliases[step.alias] = str(answer.body.get("Id", ""))
        return answer

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = UnixConnection(self._socket, self._patience)
        kind = "application/json" if body is not None else ""
        if "/archive" in path:
            kind = "application/x-tar"
        try:
            if method == "POST" and "/wait" in path:
                connection.timeout = 3  # for one that runs it would wait for ever, which is an answer too
            connection.request(method, self._version + self.named(path), body, {"Content-Type": kind} if kind else {})
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, _decoded(content), response.headers.get("Content-Type", ""))
        except TimeoutError:
            return Answer(0, None)
        finally:
            connection.close()

    def named(self, text: str) -> str:
        """``text`` with the engine's own identifiers, also where they stand quoted in a query."""
        text = re.sub(r"%7B(\w+)%3A(\w*)%7D", lambda found: f"{{{found[1]}:{found[2]}}}", text)
        return _NAMED.sub(self._identifier, text)

    def _identifier(self, found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        if kind == "short":
            return self.aliases.get(f"id:{name}", _UNKNOWN)[:12]
        return self.aliases.get(f"{kind}:{name}", _UNKNOWN)

    def settle(self, container: str) -> None:
        """Wait until the container has done what it does at its start: it waits in its ``sleep``, or has ended."""
        deadline = time.monotonic() + 10
        path = f"/containers/{container}"
        while time.monotonic() < deadline:
            answer = self.request("GET", f"{path}/json")
            if answer.status != 200 or answer.body["State"]["Status"] in ("created", "exited", "paused", "dead"):
                return
            state = answer.body["State"]
            if state["Running"] and not state["Restarting"]:
                top = self.request("GET", f"{path}/top?ps_args=-o%20pid,args")
                if top.status == 200 and any(
                    "sleep 1000" in row[-1] and "sh" not in row[-1] for row in top.body["Processes"] or ()
                ):
                    return
                config = [*(answer.body["Config"]["Entrypoint"] or []), *(answer.body["Config"]["Cmd"] or [])]
                if (
                    top.status == 200
                    and not any("sleep 1000" in word for word in config)
                    and deadline - time.monotonic() < 9.5
                ):
                    return
            elif answer.body["HostConfig"]["RestartPolicy"]["Name"] in ("always", "unless-stopped"):
                return
            time.sleep(0.02)

    def events(self, since: float, until: float) -> list[Any]:
        answer = self.request("GET", f"/events?since={since:.9f}&until={until:.9f}")
        return answer.body if isinstance(answer.body, list) else [answer.body] if answer.body else []

    def clear(self) -> None:
        """Remove everything but the image that sessions begin with."""
        for row in self.request("GET", "/containers/json?all=1").body:
            self.request("DELETE", f"/containers/{row['Id']}?force=1&v=1")
        for row in self.request("GET", "/networks").body:
            self.request("DELETE", f"/networks/{row['Id']}")
        for row in self.request("GET", "/volumes").body["Volumes"] or ():
            self.request("DELETE", f"/volumes/{row['Name']}?force=1")
        for row in self.request("GET", "/images/json?all=1").body:
            for tag in row["RepoTags"] or [row["Id"]]:
                if tag != "busybox:latest":
                    self.request("DELETE", f"/images/{tag}?force=1")
        self.aliases.clear()
        assert self.request("GET", "/images/busybox/json").status == 200, (
            f"{self.name} has lost what sessions begin with"
        )

    def _body(self, body: Any) -> bytes | None:
        if body is None:
            return None
        if isinstance(body, dict) and "raw" in body:
            return str(body["raw"]).encode()
        if isinstance(body, dict) and "tar" in body:
            return tar({name: text.encode() for name, text in body["tar"].items()})
        return self.named(json.dumps(body)).encode()


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in content.splitlines() if line]
    except ValueError:
        return content
