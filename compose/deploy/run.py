"""Running a deployment's plan: what can be done is done, what is waited for is looked at whenever the cluster has news.

One thread: calls that change something are short, and the order of a plan leaves little to gain. Failures skip what needs the
failed operation and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass
from ..errors import ComposeError, OperationError
from ..run.events import DONE, ERROR, WARNING, Progress
from .ops import AwaitService, CreateObject, RemoveObject, UpdateObject
from .state import FAILED as IS_FAILED
from .state import READY as IS_READY
from .state import Trouble, Verdict

if TYPE_CHECKING:
    from ..plan.ops import Operation
    from ..plan.plan import Plan
    from ..run.events import Emit


OK, FAILED, SKIPPED = "ok", "failed", "skipped"

LINES = 20
"""Last lines told of each trouble."""


class Hands(Protocol):
    """What a target does for the run."""

    def perform(self, operation: Operation) -> None:
        """Carry out one change. Raises `ComposeError`."""

    def verdict(self, operation: AwaitService) -> Verdict:
        """How far the service is, as last heard."""

    def wait(self, seconds: float) -> None:
        """Until the cluster has news, at most ``seconds``. Raises `ComposeError` when it is not heard of any more."""

    def settle(self) -> None:
        """After a removal: until what was told to end has ended. Raises `ComposeError`."""

    def last_lines(self, source: str) -> list[str]:
        """The end of the output of a trouble's source; empty where it cannot be had."""

    def undo(self, operation: AwaitService) -> bool:
        """Bring the version before back, where the service asks for that and the target does not do it by itself; whether it did."""


class NotReady(OperationError):
    """A service did not come up; ``troubles`` say why."""

    def __init__(self, message: str, troubles: tuple[Trouble, ...]) -> None:
        super().__init__(message)
        self.troubles = troubles


@dataclass(frozen=True, slots=True)
class Outcome:
    state: str
    error: ComposeError | None = None
    blocked_by: str = ""


_WORDS = {
    CreateObject.verb: ("Creating", "Created"),
    UpdateObject.verb: ("Updating", "Updated"),
    RemoveObject.verb: ("Removing", "Removed"),
}


def run_plan(plan: Plan, hands: Hands, emit: Emit, timeout: float) -> dict[str, Outcome]:
    """The outcome of every operation. ``timeout`` bounds every wait by itself, in seconds."""
    run = _Run(plan, hands, emit, timeout)
    run.finish()
    return run.outcomes


class _Run:
    def __init__(self, plan: Plan, hands: Hands, emit: Emit, timeout: float) -> None:
        self._hands = hands
        self._emit = emit
        self._timeout = timeout
        self._pending = list(plan.operations)
        self._keys = {one.key for one in plan.operations}
        self._ends: dict[str, float] = {}
        self.outcomes: dict[str, Outcome] = {}

    def finish(self) -> None:
        while self._pending:
            left = [one for one in self._pending if not self._step(one)]
            if len(left) == len(self._pending):
                now = time.monotonic()
                nearest = min((end - now for key, end in self._ends.items() if key not in self.outcomes), default=1.0)
                self._hands.wait(max(nearest, 0.05))
            self._pending = left

    def _step(self, operation: Operation) -> bool:
        """Do what can be done for ``operation`` now; whether it is over."""
        blocked = next((key for key in operation.needs if self._went_wrong(key)), "")
        if blocked:
            self.outcomes[operation.key] = Outcome(SKIPPED, None, blocked)
            return True
        edges = (*operation.needs, *operation.after)
        if any(key in self._keys and key not in self.outcomes for key in edges):
            return False
        try:
            if isinstance(operation, AwaitService):
                return self._look(operation)
            self._perform(operation)
        except ComposeError as error:
            self._emit(Progress(_shown(operation), "Error", ERROR, detail=str(error)))
            self.outcomes[operation.key] = Outcome(FAILED, error)
            return True
        self.outcomes[operation.key] = Outcome(OK)
        return True

    def _went_wrong(self, key: str) -> bool:
        return key in self.outcomes and self.outcomes[key].state != OK

    def _perform(self, operation: Operation) -> None:
        working, done = _WORDS[operation.verb]
        self._emit(Progress(_shown(operation), working))
        self._hands.perform(operation)
        self._emit(Progress(_shown(operation), done, DONE))

    def _look(self, operation: AwaitService) -> bool:
        """Whether the service is where it is wanted. Raises `NotReady` when it will not be, or not in time."""
        end = self._ends.setdefault(operation.key, time.monotonic() + self._timeout)
        verdict = self._hands.verdict(operation)
        shown = _shown(operation)
        if verdict.state == IS_READY:
            self._emit(Progress(shown, verdict.word, DONE))
            self.outcomes[operation.key] = Outcome(OK)
            return True
        self._emit(Progress(shown, f"Waiting {verdict.word}".rstrip()))
        if verdict.state == IS_FAILED:
            raise self._failure(operation, f"{operation.subject} failed: {verdict.word}", verdict)
        if time.monotonic() >= end:
            words = f"{operation.subject} is not {operation.how} after {self._timeout:g}s: {verdict.word}"
            raise self._failure(operation, words, verdict)
        return False

    def _failure(self, operation: AwaitService, words: str, verdict: Verdict) -> NotReady:
        """What is to be told, read before anything is taken back: that may remove whose lines they are."""
        troubles = tuple(
            replace(one, lines=tuple(self._hands.last_lines(one.source)[-LINES:])) if one.source else one
            for one in verdict.troubles
        )
        if self._hands.undo(operation):
            self._emit(Progress(_shown(operation), "Rolled back", WARNING))
            words = f"{words}; the version before is back"
        return NotReady(words, troubles)


def _shown(operation: Operation) -> str:
    kind, _, name = operation.subject.partition(" ")
    return f"{kind[:1].upper()}{kind[1:]} {name}"
