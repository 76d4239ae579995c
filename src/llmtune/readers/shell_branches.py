"""Branches of a shell text: which of them runs is not known, so afterwards only what they agree on is."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmtune.readers.shell_values import Value, Variables, outside
from llmtune.spec.record import dataclass
from llmtune.spec.word import hole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmtune.spec.server import Variable

Nodes = list[Any]  # of tree-sitter


@dataclass(slots=True)
class Fork:
    """Variables and exports: at the fork, and at the end of each branch."""

    base: tuple[Variables, dict[str, Variable]] = field(default_factory=lambda: (Variables(), {}))
    ends: list[tuple[Variables, dict[str, Variable]]] = field(default_factory=list)

    def join(self, *, complete: bool) -> tuple[Variables, dict[str, Variable]]:
        """What is known behind the branches; ``complete``: one of them surely ran."""
        ends = self.ends if complete and self.ends else [*self.ends, self.base]
        return _merged([variables for variables, _ in ends], self.base[0]), _exported([part for _, part in ends])


def _merged(ends: Sequence[Variables], base: Variables) -> Variables:
    """Variables: a value that all branches share, else what they start with, else nothing."""
    found = Variables({}, {key: value for end in ends for key, value in end.many.items()}, base.work)
    if not base.spend(4 * sum(map(len, ends))):
        return found
    for name in dict.fromkeys(name for end in ends for name in end):
        values = [end.get(name) for end in ends]
        first = values[0]
        if first is not None and all(value is first or _same(value, first) for value in values):
            found[name] = first
        else:
            _disagree(found, name, values, base.get(name))
    return found


def _same(value: Value | None, other: Value) -> bool:
    texts = [item.text for item in other.fields]
    return value is not None and value.array == other.array and [item.text for item in value.fields] == texts


def _disagree(found: Variables, name: str, values: Sequence[Value | None], base: Value | None) -> None:
    """A variable that branches leave with different values: what was added to it is not known."""
    known = [value for value in values if value is not None]
    if base is None or len(known) < len(values) or any(value.array != base.array for value in known):
        found.hide(name, *values)
        return
    start = base.text
    if base.array:
        size = min(len(value.fields) for value in known)
        differ = (at for at in range(size) if len({value.fields[at].text for value in known}) > 1)
        shared = known[0].fields[: next(differ, size)]
        found[name] = Value((*shared, outside(hole(f"${{{name}[@]}}"), open=True)), array=True)
    elif start.strip() and all(value.text == start or value.text.startswith(f"{start.rstrip()} ") for value in known):
        rest = outside(f" {hole(f'${name}')}")
        found.many[name] = True
        found[name] = Value((type(rest)(start + rest.text, [*base.fields[0].offsets, *rest.offsets]),))
    else:
        found.hide(name, *values)


def _exported(parts: Sequence[dict[str, Variable]]) -> dict[str, Variable]:
    """Exports of any branch; the value of one that differs is not known."""
    found: dict[str, Variable] = {}
    for part in parts:
        found.update(part)
    for name, variable in found.items():
        if any(part.get(name) != variable for part in parts):
            found[name] = replace(variable, value=hole(f"${name}"))
    return found


def split_if(node: Any) -> tuple[Nodes, list[tuple[Nodes, Nodes]], bool]:
    """An ``if``: the first condition, the other conditions with their bodies, and whether there is an ``else``."""
    first: Nodes = []
    bodies: list[tuple[Nodes, Nodes]] = []
    complete = False
    for child in node.children:
        if child.type == "then":
            bodies.append(([], []))
        elif child.type == "elif_clause":
            at = next((index for index, part in enumerate(child.children) if part.type == "then"), 0)
            bodies.append((child.children[:at], child.children[at:]))
        elif child.type == "else_clause":
            complete = True
            bodies.append(([], child.children))
        elif bodies:
            bodies[-1][1].append(child)
        else:
            first.append(child)
    return first, bodies, complete


def split_case(node: Any, written: Callable[[Any], str]) -> tuple[Nodes, list[tuple[Nodes, Nodes]], bool]:
    """A ``case``: its items, and whether one of them is ``*)``."""
    items = [child for child in node.children if child.type == "case_item"]
    default = any(item.children and written(item.children[0]) == "*" for item in items)
    return [], [([], item.children) for item in items], default
