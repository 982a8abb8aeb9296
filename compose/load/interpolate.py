"""Variable substitution in strings: ``$V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+a} ${V+a}``, nested, ``$$`` for a dollar;
then the casts that some attributes want of their strings.

Grammar as in the Compose Specification, "Interpolation". Keys are never substituted. Where the specification is silent
(text after an inner brace, operators inside defaults) it does what Docker Compose does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Diagnostic, InterpolationError, Path, dotted
from .scalars import float32
from .tree import Map, Place, Rules, Seq, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .scalars import Scalar
    from .tree import Node

    Cast = Callable[[str], Scalar]

_PATTERN = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z][_a-z0-9]*)|\{(?:(?P<braced>[_a-z][_a-z0-9]*(?::?[-+?](.*))?)\}|(?P<invalid>)))",
    re.IGNORECASE | re.ASCII,
)
_OPERATORS = (":?", "?", ":-", "-", ":+", "+")
MAX_NESTING = 64
MAX_LENGTH = 16 << 20
"""Characters of one value: variables that hold variables ten times over grow without end."""


class TemplateError(Exception):
    """The template does not follow the grammar."""


class MissingVariable(Exception):
    """A ``${V:?message}`` found no value."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"required variable {name} is missing a value" + (f": {reason}" if reason else ""))


@dataclass(slots=True)
class Lookup:
    """Where variables come from, and what was asked: ``unset`` notes names that no one sets, ``used`` all of them."""

    environment: Mapping[str, str]
    unset: Callable[[str], None] | None = None
    used: Callable[[str], None] | None = None

    def get(self, name: str) -> str | None:
        if self.used is not None:
            self.used(name)
        return self.environment.get(name)


def substitute(template: str, lookup: Lookup, depth: int = 0) -> str:
    """``template`` with its variables replaced; raises `TemplateError` or `MissingVariable`."""
    if "$" not in template:
        return template
    if depth > MAX_NESTING:
        raise TemplateError(template)
    length = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal length
        text = _replace(found.group(), lookup, depth, template)
        length += len(text)
        if length > MAX_LENGTH:
            raise TemplateError(f"{template[:80]} grows longer than {MAX_LENGTH >> 20} MiB")
        return text

    return _PATTERN.sub(replaced, template)


def _replace(part: str, lookup: Lookup, depth: int, template: str) -> str:
    operator = _first_operator(part)
    rest = ""
    end = _closing_brace(part)
    if end >= 0:
        part, rest = part[: end + 1], part[end + 1 :]
    found = _PATTERN.match(part)
    if found is None:
        raise TemplateError(template)
    if found["escaped"]:
        return "$"
    name = found["named"]
    if not name:
        name = found["braced"]
        if not name:
            raise TemplateError(template)
        if operator and operator in name:
            return _operate(name, operator, lookup, depth) + substitute(rest, lookup, depth + 1)
    value = lookup.get(name)
    if value is None:
        if lookup.unset is not None:
            lookup.unset(name)
        return ""
    return value


def _operate(expression: str, operator: str, lookup: Lookup, depth: int) -> str:
    name, _, argument = expression.partition(operator)
    argument = substitute(argument, lookup, depth + 1)
    value = lookup.get(name)
    present = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "-":
        return (value or "") if present else argument
    if operator[-1] == "+":
        return argument if present else (value or "")
    if not present:
        raise MissingVariable(name, argument)
    return value or ""


def _first_operator(text: str) -> str:
    """The operator that stands first in ``text``."""
    best, at = "", len(text)
    for operator in _OPERATORS:
        index = text.find(operator)
        if 0 <= index < at:
            best, at = operator, index
    return best


def _closing_brace(text: str) -> int:
    depth = 0
    index = 0
    while index < len(text):
        char = text[index]
        if char == "}":
            depth -= 1
            if depth == 0:
                return index
        elif char == "{":
            depth += 1
            index += 1
        index += 1
    return -1


def _to_int(value: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]+", value, re.ASCII) or not -(1 << 63) <= int(value[:40]) < 1 << 63:
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def _to_float(value: str) -> float:
    if not re.fullmatch(
        r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(?i:inf|infinity|nan)", value, re.ASCII
    ):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _to_float32(value: str) -> float:
    return float32(_to_float(value))


def to_boolean(value: str) -> bool:
    """The booleans that attributes accept as strings."""
    lower = value.lower()
    if lower in ("true", "y", "yes", "on"):
        return True
    if lower in ("false", "n", "no", "off"):
        return False
    raise ValueError(f"invalid boolean: {value}")


_S = ("services", "*")
CASTS: Rules[Cast] = Rules(
    {
        (*_S, "configs", "*", "mode"): _to_int,
        (*_S, "cpu_count"): _to_int,
        (*_S, "cpu_percent"): _to_float,
        (*_S, "cpu_period"): _to_int,
        (*_S, "cpu_quota"): _to_int,
        (*_S, "cpu_rt_period"): _to_int,
        (*_S, "cpu_rt_runtime"): _to_int,
        (*_S, "cpus"): _to_float32,
        (*_S, "cpu_shares"): _to_int,
        (*_S, "init"): to_boolean,
        (*_S, "deploy", "replicas"): _to_int,
        (*_S, "deploy", "update_config", "parallelism"): _to_int,
        (*_S, "deploy", "update_config", "max_failure_ratio"): _to_float,
        (*_S, "deploy", "rollback_config", "parallelism"): _to_int,
        (*_S, "deploy", "rollback_config", "max_failure_ratio"): _to_float,
        (*_S, "deploy", "restart_policy", "max_attempts"): _to_int,
        (*_S, "deploy", "placement", "max_replicas_per_node"): _to_int,
        (*_S, "healthcheck", "retries"): _to_int,
        (*_S, "healthcheck", "disable"): to_boolean,
        (*_S, "oom_kill_disable"): to_boolean,
        (*_S, "oom_score_adj"): _to_int,
        (*_S, "pids_limit"): _to_int,
        (*_S, "ports", "*", "target"): _to_int,
        (*_S, "privileged"): to_boolean,
        (*_S, "read_only"): to_boolean,
        (*_S, "scale"): _to_int,
        (*_S, "secrets", "*", "mode"): _to_int,
        (*_S, "stdin_open"): to_boolean,
        (*_S, "tty"): to_boolean,
        (*_S, "ulimits", "*"): _to_int,
        (*_S, "ulimits", "*", "hard"): _to_int,
        (*_S, "ulimits", "*", "soft"): _to_int,
        (*_S, "use_api_socket"): to_boolean,
        (*_S, "volumes", "*", "read_only"): to_boolean,
        (*_S, "volumes", "*", "volume", "nocopy"): to_boolean,
        ("networks", "*", "external"): to_boolean,
        ("networks", "*", "internal"): to_boolean,
        ("networks", "*", "attachable"): to_boolean,
        ("networks", "*", "enable_ipv4"): to_boolean,
        ("networks", "*", "enable_ipv6"): to_boolean,
        ("volumes", "*", "external"): to_boolean,
        ("secrets", "*", "external"): to_boolean,
        ("configs", "*", "external"): to_boolean,
    }
)


class Interpolation:
    """Substitutes through a whole tree, collecting errors and each unset variable's first place."""

    def __init__(self, environment: Mapping[str, str], record: Callable[[Place, str], None] | None = None) -> None:
        self.errors: list[Diagnostic] = []
        self.unset: dict[str, tuple[Path, Place | None]] = {}
        self.used: set[str] = set()
        self._lookup = Lookup(environment, self._note_unset, self.used.add)
        self._record = record
        self._path: Path = ()
        self._place: Place | None = None

    def _note_unset(self, name: str) -> None:
        self.unset.setdefault(name, (self._path, self._place))

    def apply(self, tree: Map) -> Map:
        """The tree with every string substituted and cast; raises `InterpolationError` with all findings."""
        result = self._mapping(tree, CASTS, (), None)
        if self.errors:
            raise InterpolationError(self.errors)
        return result

    def _walk(self, value: Node, casts: Rules[Cast] | None, path: Path, place: Place | None) -> Node:
        if isinstance(value, str):
            if "$" not in value and (casts is None or casts.rule is None):
                return value
            return self._string(value, casts, path, place)
        if isinstance(value, Map):
            return self._mapping(value, casts, path, place)
        if isinstance(value, Seq):
            below = casts.step("*") if casts is not None else None
            places_list = places_of(value)
            return Seq(
                [
                    self._walk(item, below, (*path, index), places_list[index] or place)
                    for index, item in enumerate(value)
                ],
                places_list,
            )
        return value

    def _mapping(self, value: Map, casts: Rules[Cast] | None, path: Path, place: Place | None) -> Map:
        out = Map((), value.place)
        out.places = places = value.places
        for key, item in value.items():
            below = casts.step(key) if casts is not None else None
            plain = isinstance(item, str) and "$" not in item and (below is None or below.rule is None)
            if plain or not isinstance(item, (str, Map, Seq)):
                out[key] = item
            else:
                out[key] = self._walk(item, below, (*path, key), places.get(key) or place)
        return out

    def _string(self, value: str, casts: Rules[Cast] | None, path: Path, place: Place | None) -> Scalar:
        self._path, self._place = path, place
        try:
            result = substitute(value, self._lookup)
            if self._record is not None and "$" in value and place is not None:
                self._record(place, value)
            return result if casts is None or casts.rule is None else casts.rule(result)
        except TemplateError:
            message = f"invalid interpolation format for {dotted(path)}: {value!r}"
            self.errors.append(Diagnostic(message, path, mark(place), "write $$ for a literal dollar sign"))
        except MissingVariable as error:
            self.errors.append(Diagnostic(f"error while interpolating {dotted(path)}: {error}", path, mark(place)))
        except ValueError as error:
            message = f"error while interpolating {dotted(path)}: failed to cast to expected type: {error}"
            self.errors.append(Diagnostic(message, path, mark(place)))
        return None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a model refers to, as ``config --variables`` lists it."""

    name: str
    required: bool = False
    default: str = ""
    presence: str = ""


def variables(value: Node) -> dict[str, Variable]:
    """Every variable in the strings of an uninterpolated tree."""
    found: dict[str, Variable] = {}
    if isinstance(value, str):
        for variable in _extract(value):
            found[variable.name] = variable
    elif isinstance(value, Map):
        for key in sorted(value):
            found.update(variables(value[key]))
    elif isinstance(value, Seq):
        for item in value:
            if isinstance(item, str):
                found.update(variables(item))
    return found


def _extract(text: str, depth: int = 0) -> list[Variable]:
    out: list[Variable] = []
    if depth > MAX_NESTING:
        return out
    for found in _PATTERN.finditer(text):
        if found["escaped"]:
            continue
        expression = found["named"] or ""
        if not expression:
            expression = found["braced"] or ""
            whole = found.group()
            end = _closing_brace(whole)
            if end > 0:
                expression = whole[2:end]
                out += _extract(whole[end + 1 :], depth + 1)
        name = re.match(r"[A-Za-z0-9_]*", expression).group()  # type: ignore[union-attr]
        rest = expression[len(name) :] if name else ""
        default = presence = ""
        required = rest.startswith((":?", "?"))
        for prefix in (":-", "-"):
            if rest.startswith(prefix):
                default = rest[len(prefix) :]
                break
        for prefix in (":+", "+"):
            if rest.startswith(prefix):
                presence = rest[len(prefix) :]
                break
        out.append(Variable(name, required, default, presence))
        out += _extract(default, depth + 1)
        out += _extract(presence, depth + 1)
    return out
