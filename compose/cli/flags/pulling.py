"""``--pull POLICY``."""

from __future__ import annotations

from ...errors import UsageError

_POLICIES = ("always", "missing", "never", "policy", "build", "if_not_present")


def pull_policy(text: str | None) -> str:
    """What ``--pull`` asks for; empty without it. Raises `UsageError`."""
    if text is None:
        return ""
    if text not in _POLICIES:
        raise UsageError(f'invalid --pull option "{text}": one of always, missing, never')
    return text
