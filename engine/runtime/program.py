"""The file that argv[0] means, looked for as execvp(3) does, and what Docker says when there is none."""

from __future__ import annotations

import errno
import os
import stat

from .stage import ProgramError


def find_program(name: str, search: str) -> str:
    """The file to execute for argv[0]. Raises ProgramError with Docker's words and exit codes."""
    if not name:
        raise ProgramError('exec: "": executable file not found in $PATH', 127, errno.ENOENT)
    if "/" in name:
        try:
            status = os.stat(name)
        except OSError as error:
            code = 126 if error.errno == errno.EACCES else 127
            reason = (error.strerror or "").lower()
            raise ProgramError(f'exec: "{name}": stat {name}: {reason}', code, error.errno or 0) from None
        if stat.S_ISDIR(status.st_mode):
            raise ProgramError(f'exec: "{name}": is a directory', 126, errno.EISDIR)
        if not os.access(name, os.X_OK, effective_ids=True):
            raise ProgramError(f'exec: "{name}": permission denied', 126, errno.EACCES)
        return name
    denied = False
    for directory in search.split(":"):
        path = os.path.join(directory or ".", name)
        try:
            if stat.S_ISDIR(os.stat(path).st_mode):
                continue
        except OSError as error:
            denied = denied or error.errno == errno.EACCES
            continue
        if os.access(path, os.X_OK, effective_ids=True):
            return path
        denied = True
    if denied:
        raise ProgramError(f'exec: "{name}": permission denied', 126, errno.EACCES)
    raise ProgramError(f'exec: "{name}": executable file not found in $PATH', 127, errno.ENOENT)


def not_executable(name: str, error: OSError) -> ProgramError:
    """What execve(2) has said of a file that was found."""
    # The file exists; ENOENT is about its interpreter then, and Docker calls that not found.
    code = 127 if error.errno == errno.ENOENT else 126
    return ProgramError(f'exec: "{name}": {(error.strerror or "").lower()}', code, error.errno or 0)
