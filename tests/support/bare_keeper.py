"""The keeper's process of runtime_bench: serves the channel it was given, where a real one would start an engine.

python -I -S -E bare_keeper.py FD ROOT
"""

import gc
import os
import socket
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from pycompose.engine.runtime.sealed import seal

seal()

from pycompose.engine.layout import Layout  # noqa: E402
from pycompose.engine.runtime import isolation, keeper  # noqa: E402

layout = Layout.for_root(sys.argv[2])
os.chdir("/")
kept = keeper.Keeper(layout, socket.socket(), isolation.isolate(layout))
kept.catch_signals()
kept.attach(socket.socket(fileno=int(sys.argv[1])))
gc.collect()
gc.freeze()
gc.disable()
kept.loop.run()
