"""Shapes of the models that the launch makes."""

from __future__ import annotations

import math

from harness.model.base import At, snippet
from harness.model.launch import ModelShape, TensorShape
from harness.observe.reading.evaluate.trace import ModelTrace, Trace

MAX_MODELS = 12
MAX_TENSORS = 600


def model_shapes(trace: Trace) -> tuple[ModelShape, ...]:
    """Models that are part of no other, those whose `state_dict` is taken first, largest first, equal ones once.

    Each stands as it was when its constructor ended or, later, when its parameters were first listed. An evaluation
    that stopped before that point is told by `reason`.
    """
    inner: set[int] = set().union(*(model.children for model in trace.models)) if trace.models else set()
    shapes: dict[tuple[str, int | None, int], ModelShape] = {}
    for model in trace.models:
        if model.identity in inner or not (model.tensors or model.reason):
            continue
        shape = _shape(model)
        shapes.setdefault((shape.class_name, shape.total, shape.at.line or 0), shape)
    ordered = sorted(shapes.values(), key=lambda shape: (not shape.saved, -(shape.total or 0)))
    return tuple(ordered[:MAX_MODELS])


def _shape(model: ModelTrace) -> ModelShape:
    total = 0
    reason = model.reason
    tensors: list[TensorShape] = []
    for name, shape, shared in model.tensors:
        if shape is None or None in shape:
            reason = reason or f"{name}: a size is not known"
            continue
        known = tuple(size for size in shape if size is not None)
        total += math.prod(known)
        if len(tensors) < MAX_TENSORS:
            tensors.append(TensorShape(name=name[:200], shape=known, shared=shared))
    return ModelShape(
        class_name=model.class_name[:200],
        at=At(path=model.source.path, line=model.line, layer=model.source.layer),
        total=total,
        exact=reason is None,
        saved=model.saved,
        reason=snippet(reason) if reason else None,
        tensors=tuple(tensors),
        omitted=len(model.tensors) - len(tensors),
    )
