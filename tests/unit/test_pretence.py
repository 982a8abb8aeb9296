"""What will not run with one user id is known before it is started."""

from __future__ import annotations

from typing import Any

import pytest

from pycompose.engine.containers.spec import fields, pretence
from pycompose.engine.shapes import normalize


def told(**members: Any) -> bool:
    lines = pretence.warnings(normalize(fields.CONFIG, members, ""))
    assert all("user: postgres" in line and "uidmap" in line for line in lines)
    return bool(lines)


@pytest.mark.parametrize(
    "members",
    [
        {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"], "Env": ["PGDATA=/var/lib/postgresql/data"]},
        {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["-c", "fsync=off"], "Env": ["PGDATA=/data"]},
        {"Cmd": ["su", "postgres", "-c", "/usr/lib/postgresql/15/bin/postgres -D /data"]},
        {"Cmd": ["sh", "-c", "gosu postgres initdb -D /data && exec gosu postgres postgres"], "User": "0:0"},
        {"Cmd": ["pg_ctlcluster", "--foreground", "15", "main", "start"], "User": "root"},
    ],
)
def test_a_server_that_starts_as_root_is_told_of(members: dict[str, Any]) -> None:
    assert told(**members)
    assert not told(**members | {"User": "postgres"})
    assert not told(**members | {"User": "999:999"})


@pytest.mark.parametrize(
    "members",
    [
        {"Cmd": ["psql", "-h", "db", "-U", "postgres"], "Env": ["PGDATA=/var/lib/postgresql/data"]},
        {"Cmd": ["sh", "-c", "pg_isready -U postgres -h db && exec server --database=postgres"]},
        {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"]},
        {"Cmd": ["nginx", "-g", "daemon off;"]},
        {"Cmd": ["-c", "x"]},
        {},
    ],
)
def test_others_are_not(members: dict[str, Any]) -> None:
    assert not told(**members)
