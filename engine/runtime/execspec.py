"""What the engine asks a shim to run besides the container's own program, as a value and as it is written on the channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..linux import oci
    from .wire import ExecDocument


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """One more process in a running container (the Engine API's exec).

    ``env`` is the complete environment, ``user`` is ``name|uid[:group|gid]`` ("" is the container's own user).
    ``capabilities`` are names for all five sets as in the OCI specification; None: those of the container's process.
    ``cwd`` "" is the container's own. Without ``terminal``, ``stdin`` asks for a pipe instead of /dev/null.
    """

    args: Sequence[str]
    env: Sequence[str]
    cwd: str = ""
    user: str = ""
    additional_groups: Sequence[str] = ()
    terminal: bool = False
    stdin: bool = False
    rows: int = 0
    columns: int = 0
    capabilities: oci.Capabilities | None = None
    privileged: bool = False

    def document(self) -> ExecDocument:
        """All but ``stdin``, which the descriptors beside it tell."""
        return {
            "args": list(self.args),
            "env": list(self.env),
            "cwd": self.cwd,
            "user": self.user,
            "additional_groups": list(self.additional_groups),
            "terminal": self.terminal,
            "rows": self.rows,
            "columns": self.columns,
            "capabilities": self.capabilities,
            "privileged": self.privileged,
        }
