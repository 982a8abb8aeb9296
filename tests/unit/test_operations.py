"""Every kind of operation has one entry everywhere that one is needed: who carries it out, its name, and its words."""

from __future__ import annotations

import inspect

import pytest

from pycompose.compose.plan import ops
from pycompose.compose.run import perform

KINDS = [
    kind
    for _, kind in inspect.getmembers(ops, inspect.isclass)
    if issubclass(kind, ops.Operation) and kind not in (ops.Operation, ops.ContainerOperation)
]
WAITS = {ops.WaitHealthy, ops.WaitCompleted, ops.MonitorContainer}
"""The executor's own."""


def test_each_kind_is_carried_out_by_somebody() -> None:
    table = perform._table()
    assert set(KINDS) == set(table) | WAITS
    assert not set(table) & WAITS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_has_a_name(kind: type[ops.Operation]) -> None:
    assert kind.noun
    if kind is not ops.RunProvider:
        assert kind.verb and kind.key_of("x") == f"{kind.verb} x"
    assert len(kind.words) == 2 and (not kind.words[0] or kind.words[1])


def test_no_two_kinds_make_the_same_key() -> None:
    verbs = [kind.verb for kind in KINDS]
    assert len(set(verbs)) == len(verbs)
    provider = ops.RunProvider(service="db", action="up", cause=ops.Cause("because"))
    assert provider.key == ops.RunProvider.key_for("up", "db") == "up provider db"
