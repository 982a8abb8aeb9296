"""Writing a deployment as files instead of carrying it out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable


def directory_writer(directory: str) -> Callable[[str, bytes], None]:
    """A function that writes a file of the directory, which is made first. Files may hold secrets: nobody else reads them."""

    def write(name: str, content: bytes) -> None:
        path = os.path.join(directory, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as file:
                file.write(content)
        except OSError as error:
            raise OperationError(f"cannot write {path}: {error.strerror}") from None

    return write
