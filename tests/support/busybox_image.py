"""A small root file system for tests: the host's static busybox with its applets as links, as a tar.

Usage: ``images.import_rootfs(busybox_rootfs(), ref="busybox:test", changes=['CMD ["sh"]'])``.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path

BUSYBOX = Path("/bin/busybox")

_DIRECTORIES = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "usr/sbin": 0o755,
    "var": 0o755,
    "var/tmp": 0o1777,
}
_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000::/home:/bin/sh\n",
    "etc/group": b"root:x:0:\naudio:x:29:user\nuser:x:1000:\nnogroup:x:65534:\n",
    "etc/os-release": b'ID=busybox\nPRETTY_NAME="busybox (test)"\n',
}


@lru_cache(maxsize=1)
def _tar() -> bytes:
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode in _DIRECTORIES.items():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        for name, content in [*_FILES.items(), ("bin/busybox", BUSYBOX.read_bytes())]:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(content))
        for applet in applets:
            if applet == "busybox":
                continue
            member = tarfile.TarInfo(f"bin/{os.path.basename(applet)}")
            member.type, member.linkname, member.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            tar.addfile(member)
    return out.getvalue()


def busybox_rootfs() -> io.BytesIO:
    """An uncompressed tar, about 2 MB, readable from its beginning."""
    return io.BytesIO(_tar())
