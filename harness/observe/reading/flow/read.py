"""From an evaluated program to the facts of order."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.model.base import At
from harness.model.order import ArtifactFact, Exposure, Mixture, OrderFacts, Score, Update
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import FunctionNode, Source
from harness.observe.reading.flow.calls import Calls
from harness.observe.reading.flow.names import bound_names
from harness.observe.reading.flow.state import Exhausted, Frame

MAX_FACTS = 60
"""Most updates, scores, mixtures and writes that are listed."""


def read_order(trace: Trace, main: Source, roots: Sequence[FunctionNode] = ()) -> OrderFacts:
    """Facts of order of the launched file. Never raises; what could not be followed makes them incomplete.

    `roots` are functions to follow although nothing calls them.
    """
    flow = Calls(trace, main.tree)
    try:
        flow.module_scope.locals = bound_names(main.tree.body)
        frame = Frame(flow.module_scope, main.tree)
        flow.block(main.tree.body, frame)
        if not flow.records.scores:
            flow.follow_uncalled(roots)
    except Exhausted:
        flow.incomplete("the flow of tokens took more steps than allowed")
    except RecursionError:
        flow.incomplete("the code nests too deeply")
    except Exception as error:  # noqa: BLE001  a bug of the analysis must not cost the other facts of a submission
        flow.incomplete(f"the analysis failed with {type(error).__name__}")
    if not trace.complete:
        flow.incomplete("the launch could not be evaluated to its end")
    return _facts(flow, main)


def _facts(flow: Calls, main: Source) -> OrderFacts:
    records = flow.records

    def at(node: ast.AST | None, source: Source | None) -> At | None:
        line = getattr(node, "lineno", None)
        if line is None:
            return None
        place = source or main
        return At(path=place.path, line=line, end_line=getattr(node, "end_lineno", None), layer=place.layer)

    here = At(path=main.path, line=1, layer=main.layer)
    scores = [score for score in records.scores if score.reported][:MAX_FACTS]
    reported = {score.index for score in scores}
    updates = records.updates[:MAX_FACTS]
    return OrderFacts(
        script=main.path,
        complete=flow.complete,
        notes=tuple(flow.notes),
        validation_at=at(*records.read) if records.read is not None else None,
        updates=tuple(
            Update(
                kind=update.kind,
                at=at(update.node, update.source) or here,
                learnt_at=at(update.learnt, update.source),
                model=update.module,
                passes=update.passes or None,
            )
            for update in updates
        ),
        scores=tuple(
            Score(
                at=at(score.node, score.source) or here,
                exposures=tuple(
                    Exposure(update=update, same_piece=same)
                    for update, same in sorted(score.exposures.items())
                    if update < MAX_FACTS
                ),
            )
            for score in scores
        ),
        mixtures=tuple(
            Mixture(at=at(mix.node, mix.source) or here)
            for mix in list(records.mixtures.values())[:MAX_FACTS]
            if mix.scores & reported or not mix.scores
        ),
        artifacts=tuple(
            ArtifactFact(
                at=at(write.node, write.source) or here,
                updates=tuple(update for update in sorted(write.updates) if update < MAX_FACTS),
                tokens=write.tokens,
            )
            for write in list(records.writes.values())[:MAX_FACTS]
        ),
    )
