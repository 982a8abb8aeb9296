"""Any process may call itself by bytes that are no text; who looks at all of them is not held up by that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.ordinary_user import OrdinaryUser

from pycompose.compose.app import holders
from pycompose.engine.linux import process

PROGRAM = "import sys; open('/proc/self/comm', 'wb').write(bytes((255, 254))); print(flush=True); sys.stdin.read()"


def test_a_name_that_is_no_text() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as named:
        assert named.stdout is not None
        named.stdout.readline()
        assert Path(f"/proc/{named.pid}/comm").read_bytes() == b"\xff\xfe\n"
        assert process.parent(named.pid) == os.getpid()
        assert process.start_time(named.pid)
        assert holders._name(str(named.pid)) == "\ufffd\ufffd"
        own = OrdinaryUser("", os.getuid(), Path("/"), "", "one")
        assert named.pid in own.processes("sys.stdin.read")
        named.communicate()
