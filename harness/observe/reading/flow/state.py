"""Variables, objects and loops of one analysis, and the joins of states where paths meet."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.observe.reading.flow.journal import Cell, Changes, Journal, Value, flat, merged
from harness.observe.reading.flow.labels import (
    NONE,
    Labels,
    after_loop,
    next_iteration,
    things,
    varies,
    without,
)

FUEL = 150_000
"""Nodes that one analysis may visit: some tenths of a second."""
HOPS = 4
"""How far an object's state is followed through the objects that it holds."""


class Exhausted(Exception):  # noqa: N818  a limit, not an error
    """The analysis ran out of fuel."""


@dataclass(eq=False, slots=True)
class Scope:
    """Variables of a module or of one call of a function; `parent` is the scope around its definition."""

    parent: Scope | None
    locals: frozenset[str]
    """Names that the body binds; all others belong to a scope around it."""
    closed_over: bool = False
    """Whether a function was defined in it, which may outlive the call."""
    own: set[Cell] = field(default_factory=set)
    """Those of its variables that were met; at the top also names that nothing binds."""
    seen: dict[str, Cell] = field(default_factory=dict)
    """The cells of names that were asked for."""

    def variable(self, name: str) -> Cell:
        """The cell of a name as seen from here."""
        cell = self.seen.get(name)
        if cell is None:
            if self.parent is None or name in self.locals:
                cell = Cell("variable")
                self.own.add(cell)
            else:
                cell = self.parent.variable(name)
            self.seen[name] = cell
        return cell


@dataclass(eq=False, slots=True)
class Loop:
    """A loop in progress. Paths that leave its body early are kept as changes since its mark."""

    id: int
    mark: int
    breaks: list[Changes] = field(default_factory=list)
    continues: list[Changes] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Frame:
    """A call in progress. Paths that return are kept as changes since its mark."""

    scope: Scope
    node: ast.AST
    mark: int = 0
    stepped: int = 0
    """Cells that had been counted up when it began."""
    returned: list[Value] = field(default_factory=list)
    exits: list[Changes] = field(default_factory=list)
    yielded: list[Labels] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)


class Memory(Journal):
    """The state of one analysis."""

    def __init__(self) -> None:
        super().__init__()
        self.fuel = FUEL
        """Nodes that may still be visited."""
        self._loops: dict[Any, int] = {}
        self.sites: dict[Any, int] = {}
        """Number of each place that makes objects."""
        self.kinds: dict[int, str] = {}
        """What a site makes: `module`, `optimizer`, `class`, `object`, `tensor` or `table`."""
        self.classes: dict[int, int] = {}
        """Site of an object to the site of its class, where attributes are looked up next."""
        self.methods: dict[int, frozenset[str]] = {}
        """Names of the methods that the objects of a site have."""
        self.attributes: dict[int, dict[str, Cell]] = {}
        """Attributes of objects, by site and name."""
        self._contents: dict[int, Cell] = {}
        self.gradients = Cell("content")
        """Pieces of validation tokens that gradients hold at present."""
        self.running: list[int] = []
        """Loops in progress, of all calls."""
        self.lengths: dict[int, int] = {}
        """Most iterations of each loop, where they are counted."""
        self.learnt = False
        """Whether anything has learnt from validation tokens yet."""
        self.stepped: list[Cell] = []
        """Cells that were counted up since a loop in progress began its iteration."""

    def loop_id(self, key: Any) -> int:
        """Number of a loop, the same whenever the same loop runs in the same call chain."""
        return self._loops.setdefault(key, len(self._loops) + 1)

    def make(self, key: Any, kind: str) -> int:
        """The site of objects made at `key`."""
        site = self.sites.setdefault(key, len(self.sites) + 1)
        self.kinds.setdefault(site, kind)
        return site

    def content(self, site: int) -> Cell:
        """What the objects of a site hold."""
        cell = self._contents.get(site)
        if cell is None:
            cell = self._contents[site] = Cell("content")
        return cell

    def attribute(self, site: int, name: str) -> Cell:
        """An attribute of the objects of a site."""
        named = self.attributes.setdefault(site, {})
        cell = named.get(name)
        if cell is None:
            cell = named[name] = Cell("attribute")
        return cell

    def looked_up(self, site: int | None, name: str) -> Value | None:
        """The value of an attribute of the objects of a site; None where it has none of its own."""
        named = self.attributes.get(site) if site is not None else None
        cell = named.get(name) if named is not None else None
        return cell.value if cell is not None else None

    def put(self, cell: Cell, value: Value) -> None:
        """Replace a cell. Only an attribute is kept without atoms: it may hide that of its class."""
        self.set(cell, value if value or cell.kind == "attribute" else None)

    def add(self, cell: Cell, value: Value) -> None:
        """Add to a cell what it may also be."""
        present = cell.value
        if present is None:
            self.put(cell, value)
        else:
            self.set(cell, merged(present, value))

    def held(self, labels: Labels) -> Labels:
        """The labels with the contents of all objects among them."""
        sites = things(labels) if labels else None
        if not sites:
            return labels
        contents = self._contents
        for _ in range(HOPS):
            new = NONE
            for site in sites:
                cell = contents.get(site)
                if cell is not None and cell.value:
                    new |= flat(cell.value)
            new -= labels
            if not new:
                break
            labels |= new
            sites = things(new)
        return labels

    def learners(self, labels: Labels) -> Labels:
        """The identities among the atoms that are modules or tensors: parts of what is built from them."""
        return frozenset(
            atom for atom in labels if atom[0] == "thing" and self.kinds.get(atom[1]) in {"module", "tensor"}
        )

    def frozen(self, labels: Labels) -> Labels:
        """A copy of the value as it stands: what its objects hold, without their identity."""
        return without(self.held(labels), "thing")

    def branch(self, *paths: Callable[[], bool]) -> bool:
        """Follow alternatives from one state and join the states in which they end; whether any reaches its end."""
        mark = self.mark()
        ends: list[Changes] = []
        for follow in paths:
            if follow():
                ends.append(self.changes(mark))
            self.rollback(mark)
        if any(ends):
            self.meet(ends)
        return bool(ends)

    def close(self, frame: Frame, *, falls: bool) -> None:
        """A call has ended, by a `return` or (with `falls`) after its last statement.

        Nobody sees its variables again, unless functions were defined among them.
        """
        gone: set[Cell] = set() if frame.scope.closed_over else frame.scope.own
        if frame.exits:
            ends = [*frame.exits, self.changes(frame.mark)] if falls else frame.exits
            self.rollback(frame.mark)
            self.meet([{cell: value for cell, value in end.items() if cell not in gone} for end in ends])
        else:
            for cell in gone:
                self.set(cell, None)
            self.condense(frame.mark)
        if gone and len(self.stepped) > frame.stepped:
            self.stepped[frame.stepped :] = [cell for cell in self.stepped[frame.stepped :] if cell not in gone]

    def _convert(self, change: Callable[[Labels, int], Labels], loop: int, mark: int) -> None:
        """Apply a change of meaning to what the loop has touched: nothing else can speak of it."""
        for cell, value in self.changes(mark).items():
            if value:
                self.set(cell, mapped(value, change, loop))

    def turn(self, loop: int, since: int, mark: int) -> None:
        """Another iteration begins: pieces become earlier pieces, and what was counted up varies with the loop."""
        if self.learnt:
            self._convert(next_iteration, loop, mark)
        for cell in self.stepped[since:]:
            self.add(cell, frozenset({varies(loop)}))

    def leave(self, loop: int, mark: int) -> None:
        """The loop that began at the mark has ended."""
        self._convert(after_loop, loop, mark)

    def finish(self, loop: int, mark: int, ends: list[Changes]) -> None:
        """The loop that began at the mark has ended in one of these states."""
        self.rollback(mark)
        self.meet(ends, lambda value: mapped(value, after_loop, loop))

    def passing(self) -> Labels:
        """A value that differs in every iteration of the loops in progress."""
        return frozenset(varies(loop) for loop in self.running)

    def settled(self, mark: int) -> bool:
        """Whether nothing that was there at the mark has changed since, and no object has a new part."""
        return all(
            cell.value is None or cell.value == old
            if old is not None
            else cell.kind == "variable" or cell.value is None
            for cell, old in self.before(mark).items()
        )


def mapped(value: Value, change: Callable[[Labels, int], Labels], loop: int) -> Value:
    """A change of meaning, applied to all items of a value."""
    return tuple(mapped(item, change, loop) for item in value) if isinstance(value, tuple) else change(value, loop)
