"""What the local driver's options do: ``type``, ``device`` and ``o`` become one mount on the volume's directory.

Works for nfs, cifs, tmpfs, block devices and binds. Mounts live in the engine's own mount namespace and go with it.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from ..errors import EngineError, InvalidParameter
from ..linux import mount as kernel
from ..linux.libc import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def is_mounted(path: Path) -> bool:
    """Whether a mount sits exactly on ``path``."""
    wanted = str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return any(line.split(" ", 5)[4] == wanted for line in file)


def mount(options: Mapping[str, str], target: Path) -> None:
    """Mount what the options say on ``target``. Raises EngineError with the kernel's reason."""
    kind, device, words = options.get("type", ""), options.get("device", ""), options.get("o", "")
    attributes = kernel.parse_options(word for word in words.split(",") if word)
    try:
        if attributes.bind:
            if not os.path.isabs(device):
                raise InvalidParameter(f"invalid device {device!r}: a bind needs an absolute path")
            descriptor = kernel.open_tree(device, recursive=attributes.recursive_bind)
            if attributes.set or attributes.clear:
                kernel.set_attributes(descriptor, set_bits=attributes.set, clear_bits=attributes.clear)
        else:
            data = list(attributes.data)
            if kind in ("nfs", "nfs4", "cifs"):
                data = [_addressed(word) for word in data]
            descriptor = kernel.new_filesystem(kind, data, attributes.set, device)
        kernel.attach(descriptor, target)
    except KernelError as error:
        data = [word for word in attributes.data] if not attributes.bind else []
        details = f", flags: {_flags(words):#x}" if _flags(words) else ""
        details += f", data: {','.join(data)}" if data else ""
        raise EngineError(
            f"error while mounting volume '{target}': failed to mount local volume: "
            f"mount {device}:{target}{details}: {(error.strerror or '').lower()}"
        ) from None


_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "bind": 0x1000, "rbind": 0x5000}


def _flags(words: str) -> int:
    """The bits of mount(2) that these options stand for, as error messages show them."""
    return sum(_FLAGS.get(word, 0) for word in set(words.split(",")))


def _addressed(word: str) -> str:
    """``addr=name`` with the name looked up: the kernel takes numbers only."""
    key, _, value = word.partition("=")
    if key != "addr":
        return word
    try:
        return f"addr={socket.getaddrinfo(value, None)[0][4][0]}"
    except OSError as error:
        raise EngineError(f"error resolving passed in network volume address: {value}: {error.strerror}") from None


def unmount(path: Path) -> None:
    """Take the mount off ``path`` when there is one. Containers that have it keep their own reference."""
    if is_mounted(path):
        try:
            kernel.umount(str(path))
        except KernelError as error:
            raise EngineError(f"cannot unmount {path}: {error.strerror}") from None
