"""An engine behind ssh: the program ssh runs `docker system dial-stdio` over there, which joins its stdio to the socket."""

from __future__ import annotations

import subprocess
import threading
from urllib.parse import unquote, urlsplit

from .tunnel import Tunnel, tunnel

_KEPT = 2000


def command(url: str) -> list[str]:
    """The program that reaches ``ssh://[user@]host[:port][/path/of/docker.sock]``. Raises ValueError for another form."""
    parts = urlsplit(url)
    host = parts.hostname
    if not host or host.startswith("-") or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("want ssh://[USER@]HOST[:PORT][/PATH]")
    words = ["ssh", "-o", "ConnectTimeout=30", "-T"]
    if parts.username:
        words += ["-l", unquote(parts.username)]
    if parts.port:
        words += ["-p", str(parts.port)]
    words += ["--", host, "docker"]
    if parts.path not in ("", "/"):
        words += ["--host", f"unix://{unquote(parts.path)}"]
    return [*words, "system", "dial-stdio"]


def dial(url: str) -> Tunnel:
    """A connection through a new ssh process. Raises `OSError` when there is no ssh program."""
    near, far = tunnel()
    with far:
        try:
            process = subprocess.Popen(
                command(url), stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError:
            near.close()
            raise
    near.carrier = threading.Thread(target=_listen, args=(process, near), name="ssh", daemon=True)
    near.carrier.start()
    return near


def _listen(process: subprocess.Popen[bytes], remote: Tunnel) -> None:
    """What ssh and the command over there say on stderr is the reason when the connection breaks."""
    kept = b""
    with process:
        assert process.stderr is not None
        while line := process.stderr.readline():
            kept = (kept + line)[-_KEPT:]
            remote.reason = kept.decode(errors="replace").strip()
