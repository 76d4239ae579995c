"""``dataclass`` for code that must start fast.

The standard decorator compiles up to seven methods for every class; with a hundred classes that is a third of the time
a command takes. This one compiles ``__init__`` alone, when the first instance is made, and adds comparison, hash and
repr as shared functions. ``dataclasses.fields`` and ``replace`` work on instances.
Type checkers see the standard decorator, so mypy enforces ``frozen=True``. Traded away: frozen classes do not refuse
assignment at run time, and slots are not made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import dataclass as _standard
    from dataclasses import fields
    from operator import attrgetter

    def dataclass(cls: type | None = None, /, **_options: bool) -> Any:
        """Define a dataclass; the options are for type checkers."""
        return _postpone if cls is None else _postpone(cls)

    def _postpone(cls: type) -> type:
        """Complete the class when its first instance is made: most are not needed in a run."""

        def __init__(self: object, *values: object, **named: object) -> None:  # noqa: N807 - it becomes that method
            complete(cls)
            self.__init__(*values, **named)

        def __setstate__(self: object, state: dict[str, object]) -> None:  # noqa: N807 - pickle makes instances without
            if cls.__init__ is __init__:
                complete(cls)
            self.__dict__.update(state)

        cls.__init__, cls.__setstate__ = __init__, __setstate__
        return cls

    def complete(cls: type) -> type:
        """Give a class its methods and ``__dataclass_fields__`` now."""
        del cls.__init__
        made = _standard(eq=False, repr=False, match_args=False)(cls)
        made.__eq__ = _equal(_key([item.name for item in fields(made) if item.compare]))
        made.__hash__ = _hash(_key([item.name for item in fields(made) if _is_hashed(item)]))
        made.__repr__ = _show
        return made

    def _is_hashed(item: Any) -> bool:
        return item.compare if item.hash is None else item.hash

    def _key(names: list[str]) -> Any:
        return attrgetter(*names) if names else lambda _: ()

    def _equal(key: Any) -> Any:
        def __eq__(self: object, other: object) -> bool:  # noqa: N807 - it becomes that method
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        return __eq__

    def _hash(key: Any) -> Any:
        def __hash__(self: object) -> int:  # noqa: N807
            return hash((self.__class__, key(self)))

        return __hash__

    def _show(self: object) -> str:
        shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__qualname__}({shown})"


__all__ = ["dataclass"]
