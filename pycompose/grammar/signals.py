"""Signals by name or number: ``SIGTERM``, ``term``, ``15``, ``RTMIN+3``. Linux's numbers and Docker's names."""

from __future__ import annotations

LAST = 64
_FIRST_REALTIME = 34  # glibc and musl keep 32 and 33 for themselves
_NAMES = [
    "HUP",
    "INT",
    "QUIT",
    "ILL",
    "TRAP",
    "ABRT",
    "BUS",
    "FPE",
    "KILL",
    "USR1",
    "SEGV",
    "USR2",
    "PIPE",
    "ALRM",
    "TERM",
    "STKFLT",
    "CHLD",
    "CONT",
    "STOP",
    "TSTP",
    "TTIN",
    "TTOU",
    "URG",
    "XCPU",
    "XFSZ",
    "VTALRM",
    "PROF",
    "WINCH",
    "IO",
    "PWR",
    "SYS",
]
_NUMBERS = {
    **{name: number for number, name in enumerate(_NAMES, 1)},
    "CLD": 17,
    "IOT": 6,
    "POLL": 29,
    "RTMIN": _FIRST_REALTIME,
    **{f"RTMIN+{offset}": _FIRST_REALTIME + offset for offset in range(1, 16)},
    **{f"RTMAX-{offset}": LAST - offset for offset in range(1, 15)},
    "RTMAX": LAST,
}
_KNOWN = frozenset(_NUMBERS.values())


def parse(text: str) -> int:
    """The number of a signal. Raises ValueError. Any number but 0 passes, as with Docker: see `is_known`."""
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text):
        return int(text)
    number = _NUMBERS.get(text.upper().removeprefix("SIG"))
    if number is None:
        raise ValueError(f"invalid signal: {text}")
    return number


def is_known(number: int) -> bool:
    """Whether the platform has such a signal for programs."""
    return number in _KNOWN


def name(number: int) -> str:
    """``SIGTERM`` for 15; the digits for a number without a name."""
    found = next((name for name, known in _NUMBERS.items() if known == number), "")
    return f"SIG{found}" if found else str(number)
