"""`dataclass` and `field` as in the standard library, for value classes that a command imports but may never use.

The standard decorator writes and compiles up to six functions for every class when its module is imported: some 0.4 ms, which
for the forty classes behind `up` was a quarter of the command's time, and it imports `inspect` to do so. Here a class shares
its methods with all others, and only ``__init__`` is written and compiled, when the first instance is made. Type checkers see
the standard decorator. Not offered: ``order``, ``init=False``, ``__post_init__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["compile_all", "dataclass", "field"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field

    def compile_all() -> None: ...
else:
    _REQUIRED = object()
    _waiting = []

    def compile_all():
        """Compile what no instance has asked for yet: for a process whose children would each do it."""
        while _waiting:
            made = _waiting.pop()
            made.__init__ = _initializer(made.__members__, made.__qualname__)

    class _Factory:
        def __init__(self, make):
            self.make = make

    def field(*, default_factory):
        return _Factory(default_factory)

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False):
        if cls is None:
            return lambda made: _process(made, frozen, slots, kw_only)
        return _process(cls, frozen, slots, kw_only)

    def _process(cls, frozen, slots, kw_only):
        inherited = next((base.__members__ for base in cls.__mro__[1:] if "__members__" in base.__dict__), {})
        kinds = cls.__dict__.get("__annotations__", {})  # noqa: RUF063  (that function is what is too slow)
        names = [name for name, kind in kinds.items() if not kind.startswith("ClassVar")]
        members = dict(inherited)
        for name in names:
            members[name] = (cls.__dict__.get(name, _REQUIRED), kw_only)
        space = {key: value for key, value in cls.__dict__.items() if key not in ("__dict__", "__weakref__")}
        for name in names:
            if slots or isinstance(space.get(name), _Factory):
                space.pop(name, None)
        if slots:
            space["__slots__"] = tuple(name for name in names if name not in inherited)
        space["__members__"] = members
        space["__match_args__"] = tuple(name for name, (_, keyword) in members.items() if not keyword)
        space["__qualname__"] = cls.__qualname__
        space["__dataclass_fields__"] = _FIELDS
        shared = {"__eq__": _equal, "__repr__": _represent, "__getstate__": _state, "__setstate__": _set_state}
        shared["__hash__"] = _hash if frozen else None
        if frozen:
            shared |= {"__setattr__": _refuse_setting, "__delattr__": _refuse_deleting}
        for name, method in shared.items():
            if name not in space or (name == "__hash__" and space[name] is None):
                space[name] = method

        def __init__(self, *positional, **named):
            made.__init__ = _initializer(members, made.__qualname__)
            made.__init__(self, *positional, **named)

        space["__init__"] = __init__
        made = type(cls)(cls.__name__, cls.__bases__, space)
        _waiting.append(made)
        return made

    def _initializer(members, qualname):
        """``__init__`` for these members, compiled."""
        names = {"_set": object.__setattr__, "_required": _REQUIRED}
        positional, keyword, lines = [], [], []
        for name, (default, keyword_only) in members.items():
            value, parameter = name, name
            if isinstance(default, _Factory):
                names[f"_make_{name}"] = default.make
                parameter = f"{name}=_required"
                value = f"_make_{name}() if {name} is _required else {name}"
            elif default is not _REQUIRED:
                names[f"_default_{name}"] = default
                parameter = f"{name}=_default_{name}"
            (keyword if keyword_only else positional).append(parameter)
            lines.append(f"    _set(self, {name!r}, {value})\n")
        parameters = ["self", *positional, *(["*", *keyword] if keyword else [])]
        exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines) or '    pass'}", names)
        names["__init__"].__qualname__ = f"{qualname}.__init__"
        return names["__init__"]

    def _values(self):
        return tuple([getattr(self, name) for name in type(self).__members__])

    def _equal(self, other):
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _represent(self):
        pairs = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__members__)
        return f"{type(self).__qualname__}({pairs})"

    def _state(self):
        return _values(self)

    def _set_state(self, values):
        for name, value in zip(type(self).__members__, values, strict=True):
            object.__setattr__(self, name, value)

    def _refuse_setting(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def _refuse_deleting(self, name):
        raise AttributeError(f"cannot delete field {name!r}")

    class _Fields:
        """``__dataclass_fields__``, made when `dataclasses.replace` and the like ask for it."""

        def __get__(self, instance, owner):
            import dataclasses

            found = []
            for name, (default, keyword_only) in owner.__members__.items():
                how = {"kw_only": keyword_only}
                if isinstance(default, _Factory):
                    how["default_factory"] = default.make
                elif default is not _REQUIRED:
                    how["default"] = default
                found.append((name, object, dataclasses.field(**how)))
            # Hashable or not, a default is only described here.
            twin = dataclasses.make_dataclass(owner.__name__, found, init=False, eq=False, repr=False)
            owner.__dataclass_fields__ = twin.__dataclass_fields__
            return twin.__dataclass_fields__

    _FIELDS = _Fields()
