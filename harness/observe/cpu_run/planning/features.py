"""Which evaluation and compression features a launch switches on, read from its flags."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model.base import Scalar
from harness.model.launch import LaunchFacts
from harness.model.plan import Expected, Feature

_SWITCHES: tuple[tuple[Feature, str], ...] = (
    (Feature.SLOT, r"(use_|enable_)?slot(_enabled|_enable|_steps)?"),
    (Feature.TTT, r"(use_|run_|enable_|do_)?(\w+_)?ttt(_enabled?|_epochs|_mode|_steps|_grad_steps|(_lora)?_rank)?"),
    (Feature.SLIDING, r"(\w+_)?(eval|sw|sliding|val_sliding)_stride|sliding_window_enabled|sliding_eval"),
    (Feature.GPTQ, r"(use_|full_|enable_)?gptq(_enabled|_lite)?|gptq_(cal(ib(ration)?)?_)?(batches|samples)"),
    (Feature.QAT, r"(late_|use_|enable_)?qat(_enabled|_int\d|_bits)?|late_qat_threshold"),
    (Feature.EMA, r"(use_|enable_)?ema(_enabled|_decay)?"),
    (Feature.SWA, r"(use_|enable_)?(swa|lawa)(_enabled)?|swa_every"),
    (Feature.NGRAM, r"(use_|enable_)?(ngram|ppm|phrase)(_cache|_enabled)?|(\w+_)?ngram(_\w+)?_(enabled|order|buckets)"),
)  # fmt: skip
_COMPILED = tuple((feature, re.compile(pattern)) for feature, pattern in _SWITCHES)
_DECIDES = re.compile(
    r"(use|enable|run|do|late|full)_\w+|\w+_(enabled?|mode)|ttt|slot|swa|ema|lawa|qat|gptq|ngram|sliding_eval"
)
"""Names that switch a feature on or off; others only say how it works, and count where nothing switches."""


def expected(launch: LaunchFacts) -> tuple[Expected, ...]:
    """Each feature that a setting names, whether the launch enables it, and by which settings.

    A switch that is off outranks sizes that are set; several switches of one feature enable it where any is on.
    """
    found: dict[Feature, list[tuple[str, Scalar, bool]]] = {}
    for setting in launch.settings:
        name = setting.name.lower()
        for feature, pattern in _COMPILED:
            if pattern.fullmatch(name):
                found.setdefault(feature, []).append((setting.name, setting.value, bool(_DECIDES.fullmatch(name))))
                break
    return tuple(_judged(feature, found[feature]) for feature in Feature if feature in found)


def _judged(feature: Feature, settings: Iterable[tuple[str, Scalar, bool]]) -> Expected:
    named = list(settings)
    deciding = [one for one in named if one[2]] or named
    on = [name for name, value, _ in deciding if is_on(value)]
    return Expected(feature=feature, enabled=bool(on), because=tuple(on or [name for name, _, _ in deciding])[:8])


def is_on(value: Scalar) -> bool:
    """Whether a setting's value switches something on."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "none", "disabled")
    return value is not None and value > 0
