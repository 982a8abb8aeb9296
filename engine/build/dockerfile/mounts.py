"""``RUN --mount`` and ``RUN --device``: their comma-separated options.

Parsing happens twice, as in BuildKit: once without variables, when only what cannot hold a variable is checked, and once
when the instruction is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ....grammar import booleans, sizes
from . import values
from .arguments import ArgumentError
from .errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

MountType = Literal["bind", "cache", "tmpfs", "secret", "ssh"]
Sharing = Literal["shared", "private", "locked"]

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_BARE = {"readonly": True, "ro": True, "readwrite": False, "rw": False}
_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw"),
    *("required", "size", "id", "sharing", "mode", "uid", "gid", "env"),
)


@dataclass(frozen=True, slots=True)
class Mount:
    """One ``--mount``. ``source`` is "" for the root of ``origin`` (a stage, an image, a context; "" is the context).

    ``size`` in bytes; ``env`` is None unless a secret goes to a variable, "" for one named after its id.
    """

    type: MountType = "bind"
    origin: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    required: bool = False
    size: int | None = None
    id: str = ""
    sharing: Sharing = "shared"
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


def check_mount(text: str) -> None:
    """What can be said before variables are known; raises ArgumentError."""
    for field in _fields(text, "mounts"):
        key, equals, value = field.partition("=")
        dollar = value.find("$")
        if equals and key.lower() == "from" and dollar not in (-1, len(value) - 1):
            raise ArgumentError("'from' doesn't support variable expansion, define alias stage instead")


def mount_origin(text: str) -> str:
    """The ``from`` of a mount: known without variables, since it takes none."""
    origin = ""
    for field in _fields(text, "mounts"):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from":
            origin = value
    return origin


def _fields(text: str, what: str) -> list[str]:
    try:
        return values.csv_fields(text)
    except ValueError as error:
        raise ArgumentError(f"failed to parse csv {what}: {error}") from None


def parse_mount(text: str, expand: Callable[[str], str]) -> Mount:
    """Raises ArgumentError, and whatever ``expand`` raises."""
    options = _Options()
    for field in _fields(text, "mounts"):
        key, equals, value = field.partition("=")
        key = key.lower()
        if equals:
            options.assign(key, expand(value), field)
        elif key in _BARE:
            options.read_only = _BARE[key]
        elif key == "required":
            options.assign(key, "true", field)
        else:
            raise ArgumentError(f"invalid field '{field}' must be a key=value pair")
    return options.mount()


class _Options:
    """Options in the order they come: some are valid only after ``type=``."""

    def __init__(self) -> None:
        self.type: MountType = "bind"
        self.read_only: bool | None = None
        self.required = False
        self.sharing: Sharing | None = None
        self.size: int | None = None
        self.env: str | None = None
        self.texts = {"from": "", "source": "", "target": "", "id": ""}
        self.numbers: dict[str, int] = {}

    def assign(self, key: str, value: str, field: str) -> None:
        key = {"src": "source", "dst": "target", "destination": "target"}.get(key, key)
        if key in self.texts:
            self.texts[key] = value
        elif key == "type":
            kind = value.lower()
            if kind not in _TYPES:
                raise ArgumentError(f'unsupported mount type "{value}"{did_you_mean(value, _TYPES)}')
            self.type = kind  # type: ignore[assignment]
        elif key in _BARE:
            self.read_only = self._boolean(key, value) == _BARE[key]
        elif key == "required":
            if self.type not in ("secret", "ssh"):
                raise ArgumentError(f"unexpected key '{key}' for mount type '{self.type}'")
            self.required = self._boolean(key, value)
        elif key == "size":
            if self.type != "tmpfs":
                raise ArgumentError(f"unexpected key '{key}' for mount type '{self.type}'")
            try:
                self.size = sizes.parse(value)
            except ValueError:
                raise ArgumentError(f"invalid value for {key}: {value}") from None
        elif key == "sharing":
            sharing = value.lower()
            if sharing not in _SHARING:
                raise ArgumentError(f'unsupported sharing value "{value}"{did_you_mean(value, _SHARING)}')
            self.sharing = sharing  # type: ignore[assignment]
        elif key in ("mode", "uid", "gid"):
            digits = "01234567" if key == "mode" else "0123456789"
            if not value or value.strip(digits) or len(value) > 11:
                raise ArgumentError(f"invalid value {value} for {key}")
            self.numbers[key] = int(value, len(digits))
        elif key == "env":
            self.env = value
        else:
            raise ArgumentError(f"unexpected key '{key}' in '{field}'{did_you_mean(key, _KEYS)}")

    @staticmethod
    def _boolean(key: str, value: str) -> bool:
        try:
            return booleans.parse(value)
        except ValueError:
            raise ArgumentError(f"invalid value for {key}: {value}") from None

    def mount(self) -> Mount:
        if self.type in ("bind", "tmpfs") and self.numbers:
            first = next(key for key in ("mode", "uid", "gid") if key in self.numbers)
            raise ArgumentError(f'{first} not allowed for "{self.type}" type mounts')
        texts = self.texts
        if self.type == "secret":
            if texts["from"]:
                raise ArgumentError("secret mount should not have a from")
            if self.sharing:
                raise ArgumentError("secret mount should not define sharing")
            if not texts["source"] and not texts["target"] and not texts["id"]:
                raise ArgumentError("invalid secret mount. one of source, target required")
            if texts["source"] and texts["id"]:
                raise ArgumentError("both source and id can't be set")
        if self.sharing and self.type != "cache":
            raise ArgumentError(f"invalid cache sharing set for {self.type} mount")
        if self.type == "ssh" and texts["source"]:
            raise ArgumentError("ssh does not support source")
        read_only = self.type not in ("cache", "tmpfs") if self.read_only is None else self.read_only
        return Mount(
            type=self.type,
            origin=texts["from"],
            source=texts["source"],
            target=texts["target"],
            read_only=read_only,
            required=self.required,
            size=self.size,
            id=texts["id"],
            sharing=self.sharing or "shared",
            mode=self.numbers.get("mode"),
            uid=self.numbers.get("uid"),
            gid=self.numbers.get("gid"),
            env=self.env,
        )


def parse_device(text: str) -> tuple[str, bool]:
    """(CDI device name, required); raises ArgumentError."""
    name, required = "", False
    for field in _fields(text, "devices"):
        key, equals, value = field.partition("=")
        key = key.lower()
        if key == "required":
            try:
                required = booleans.parse(value) if equals else True
            except ValueError:
                raise ArgumentError(f"invalid value for {key}: {value}") from None
        elif key == "name" and equals:
            if name:
                raise ArgumentError(f"device name already set to {name}")
            name = value
        elif not name:
            name = field
        elif equals:
            raise ArgumentError(f"unexpected key '{key}' in '{field}'{did_you_mean(key, ('name', 'required'))}")
        else:
            raise ArgumentError(f"invalid field '{field}' must be a key=value pair")
    return name, required
