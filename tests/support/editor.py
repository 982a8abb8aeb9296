"""An editor for the language server: messages over the pipes of `pycompose lsp`."""

from __future__ import annotations

import json
import select
import subprocess
from typing import TYPE_CHECKING, Any

from .command import PYCOMPOSE

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    """An editor: messages with their lengths over the pipes of `pycompose lsp`."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(directory / "root"), "lsp"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self._notes: list[dict[str, Any]] = []

    def tell(self, method: str, parameters: Any, number: int | None = None) -> None:
        said = {"jsonrpc": "2.0", "method": method, "params": parameters} | ({} if number is None else {"id": number})
        body = json.dumps(said).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def ask(self, method: str, parameters: Any) -> Any:
        answer = self.answer(method, parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def answer(self, method: str, parameters: Any) -> dict[str, Any]:
        self._number += 1
        self.tell(method, parameters, self._number)
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                return answer
            self._notes.append(answer)

    def published(self) -> dict[str, Any]:
        """The next findings."""
        while True:
            answer = self._notes.pop(0) if self._notes else self._read()
            if answer.get("method") == "textDocument/publishDiagnostics":
                found: dict[str, Any] = answer["params"]
                return found

    def _read(self) -> dict[str, Any]:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], 60)
        assert ready, "no answer"
        length = 0
        while (line := out.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found: dict[str, Any] = json.loads(out.read(length))
        return found

    def close(self) -> int:
        self.ask("shutdown", None)
        self.tell("exit", None)
        code = self._process.wait(timeout=20)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        return code
