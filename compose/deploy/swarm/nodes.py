"""Engines of a swarm's nodes. A manager runs no command in another node's containers and removes no volume there: whoever
wants that has to ask the node's own engine, whose address the target's ``nodes``, ``--node`` or a Docker context must give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...client import Engine, choose
from ...errors import OperationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...client import Endpoint


class Nodes:
    def __init__(self, manager: Engine, addresses: Mapping[str, str], environment: Mapping[str, str], uid: int) -> None:
        self._manager = manager
        self._addresses = addresses
        self._environment = environment
        self._uid = uid
        self._engines: dict[str, Engine] = {}
        self._own = ""

    def engine(self, hostname: str, node: str) -> Engine:
        """The engine of a node, by its host name and id. Raises `OperationError` where nobody says how to reach it."""
        if node == self._own_node():
            return self._manager
        if hostname not in self._engines:
            self._engines[hostname] = Engine(self._endpoint(hostname))
        return self._engines[hostname]

    def _own_node(self) -> str:
        if not self._own:
            self._own = str((self._manager.system.info().get("Swarm") or {}).get("NodeID") or "-")
        return self._own

    def _endpoint(self, hostname: str) -> Endpoint:
        if hostname in self._addresses:
            return choose({}, self._uid, host=self._addresses[hostname])
        try:
            return choose({**_home(self._environment), "DOCKER_CONTEXT": hostname}, self._uid)
        except UsageError:
            raise OperationError(
                f"the engine of node {hostname} must be asked for this: say where it is with --node {hostname}=HOST,"
                f" nodes in x-deploy, or a Docker context {hostname}"
            ) from None


def _home(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: environment[key] for key in ("HOME", "DOCKER_CONFIG") if key in environment}
