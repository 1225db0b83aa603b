"""What is scored, what learns, what is written: the records that the analysis is for."""

from __future__ import annotations

import ast
from typing import Any

from harness.model.order import UpdateKind
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.flow.journal import flat
from harness.observe.reading.flow.labels import (
    LOG2,
    LOSS,
    NONE,
    Labels,
    Loops,
    counted,
    exposed,
    has,
    join,
    known,
    of_kind,
    things,
    validation_loops,
    without,
)
from harness.observe.reading.flow.state import Scope
from harness.observe.reading.flow.stores import Stores

HOPS = 3
"""How far the parts of an object are followed."""


class Learning(Stores):
    """Scores, updates and writes."""

    def __init__(self, trace: Trace, tree: ast.Module) -> None:
        super().__init__(trace, tree)
        self.hooks: dict[Any, set[int]] = {}
        """Functions registered as forward hooks, with the modules they listen to."""
        self.backward: list[tuple[Labels, ast.AST, Loops]] = []
        """Backward passes over validation tokens: their pieces, where, and the loops around them."""
        self.saved: Labels = NONE
        """What was written to files that are no shards."""
        self.notes: list[str] = []
        self.complete = True
        self.module_scope = Scope(None, frozenset())

    def incomplete(self, note: str) -> None:
        """Something could not be followed."""
        self.complete = False
        if note not in self.notes:
            self.notes.append(note)

    def loss(self, labels: Labels) -> Labels:
        """A loss is computed: of full distributions, so that tables in the logits are normalised with them."""
        loops = validation_loops(labels)
        if loops is None:
            return labels | {LOSS}
        knew = exposed(labels, loops)
        kept = frozenset(atom for atom in labels if atom[0] != "known" or atom[1] in knew or not self.is_table(atom[1]))
        return without(kept, "varies") | {LOSS}

    def scored(self, node: ast.AST, value: Labels) -> Labels:
        """Losses are added to a sum: what knew the tokens is noted, and the sum remembers where it comes from."""
        loops = validation_loops(value)
        if loops is None:
            return value
        record = self.records.score(node)
        for update, same in exposed(value, loops).items():
            record.exposures[update] = record.exposures.get(update, False) or same
        if LOG2 in value:
            record.reported = True
        if id(node) in self.records.mixtures or any(self.is_table(atom[1]) for atom in of_kind(value, "known")):
            self.records.mixture(node).scores.add(record.index)
        return without(value, "known") | {counted(record.index)}

    def reported(self, node: ast.AST, value: Labels) -> None:
        """A sum of losses becomes bits: the scores in it are reported."""
        held = self.memory.held(value)
        if LOSS in held and not has(held, "counted"):
            held = self.scored(node, held)
        for atom in of_kind(held, "counted"):
            self.records.scores[atom[1]].reported = True

    def differentiated(self, node: ast.AST, loss: Labels) -> None:
        """Gradients of a loss are added to those that are held."""
        pieces = validation_pieces(self.memory.held(loss))
        if pieces:
            self.backward.append((pieces, node, frozenset(self.memory.running)))
            self.memory.add(self.memory.gradients, pieces)

    def stepped(self, node: ast.AST, optimizer: Labels) -> None:
        """What an optimizer holds learns from the pieces that gradients hold."""
        pieces = flat(self.memory.gradients.value or NONE)
        if pieces:
            place, around = next(
                ((place, loops) for kept, place, loops in reversed(self.backward) if kept & pieces), (None, None)
            )
            self._learn(node, place, optimizer, pieces, around)

    def _learn(
        self, node: ast.AST, learnt: ast.AST | None, learner: Labels, pieces: Labels, around: Loops | None = None
    ) -> None:
        """Objects that a value stands for come to know pieces of the validation tokens; loops `around` the loss."""
        memory = self.memory
        sites = self.parts(learner)
        module = any(memory.kinds.get(site) == "module" for site in sites)
        for atom in pieces:
            record = self.records.update(UpdateKind.STEP, node, learnt, module=module)
            record.repeated(None if around is None else self._passes(around, atom[2]))
            memory.learnt = True
            for site in sites:
                if memory.kinds.get(site) != "optimizer":
                    memory.add(memory.content(site), frozenset({known(record.index, atom[2])}))

    def _passes(self, around: Loops, piece: Loops) -> int | None:
        """How often the loops that hold both a loss and its step come back to one piece; None if one is not counted.

        A loop around the loss alone gathers gradients, one around the step alone goes over optimizers.
        """
        total = 1
        for loop in around.intersection(self.memory.running).difference(piece):
            length = self.memory.lengths.get(loop)
            if length is None:
                return None
            total *= length
        return total

    def parts(self, labels: Labels) -> set[int]:
        """Sites of the objects that a value stands for, and of those that they hold."""
        sites = set(things(labels))
        for _ in range(HOPS):
            more = set(things(join(flat(self.memory.content(site).value or NONE) for site in sites)))
            if more <= sites:
                break
            sites |= more
        return sites

    def changed_in_place(self, node: ast.AST, target: Labels, value: Labels) -> None:
        """A parameter changes in place by something made of validation tokens."""
        if any(self.memory.kinds.get(site) in {"module", "tensor"} for site in self.parts(target)):
            pieces = validation_pieces(value)
            if pieces and not (LOSS in value and has(value, "counted")):
                self._learn(node, None, target, pieces)

    def forget(self, base: Labels) -> None:
        """The state of an object and of its parts is replaced by one that has learnt nothing."""
        for site in self.parts(base):
            cell = self.memory.content(site)
            self.memory.put(cell, without(flat(cell.value or NONE), "known"))

    def learnt_by_key(self, node: ast.AST, key: Labels, value: Labels) -> Labels:
        """A store under a key made of validation tokens is learning; what is stored elsewhere stays what it is."""
        loops = validation_loops(key)
        if loops is None:
            return without(value, "thing") if has(value, "tokens") else value
        record = self.records.update(UpdateKind.TABLE, node, None, module=False)
        self.memory.learnt = True
        return frozenset({known(record.index, loops)}) | without(value, "tokens", "thing", "varies") - {LOSS}

    def written(self, node: ast.AST, content: Labels) -> None:
        """Something is written to a file."""
        updates = {atom[1] for atom in of_kind(content, "known")}
        self.saved = self.saved | frozenset(of_kind(content, "known"))
        statistics = validation_loops(content) is not None and LOSS not in content and not has(content, "counted")
        if updates or statistics:
            record = self.records.write(node)
            record.updates |= updates
            record.tokens = record.tokens or statistics


def validation_pieces(labels: Labels) -> Labels:
    """The atoms of validation tokens."""
    return frozenset(atom for atom in labels if atom[0] == "tokens" and atom[1] == "val")
