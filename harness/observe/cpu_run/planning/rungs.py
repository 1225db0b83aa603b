"""The rungs of the ladder: for each shape all overrides and directives that bring it about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.model.base import Scalar
from harness.model.launch import Setting, SettingOrigin
from harness.model.plan import MAX_DIRECTIVES, Directive, Meaning, Override, Rung, Shape
from harness.model.source import EnvRead
from harness.observe.cpu_run.planning.attributes import Declaration, Form
from harness.observe.cpu_run.planning.environment import spelled
from harness.observe.cpu_run.planning.meanings import SECONDS, USUAL, meaning_of
from harness.observe.cpu_run.planning.sizes import FEW_STEPS, OF_ARTIFACT, OF_SHAPE, STEPS, Original, Tiny, shrunk

_HEADS = 4
_SCHEDULE = re.compile(r"\d+@[\d.]+(\s*,\s*\d+@[\d.]+)*")
"""Lengths, each with the share of the run up to which it holds: `1024@0.35,2048@1.0`."""
_LENGTH = re.compile(r"\d+(?=@)")
_SHORTEST = 8


@dataclass(frozen=True)
class Size:
    """A size that an environment variable feeds."""

    name: str
    env: str
    meaning: Meaning
    value: int | float
    origin: SettingOrigin
    known: bool = True
    """False where the program reads it without a default, so that the value is only the usual one."""


@dataclass(frozen=True)
class Material:
    """Everything that a rung is made of."""

    sizes: tuple[Size, ...]
    declared: tuple[Declaration, ...]
    reads: Mapping[str, EnvRead]
    original: Original
    readings: int = 0
    artifact: bool = False
    """A shipped artifact fixes the model's sizes."""
    lengths: tuple[Setting, ...] = ()
    """Settings that hold a schedule of sequence lengths."""
    moved: tuple[Override, ...] = ()
    """Variables that lead to places where the run cannot write."""
    whole_seconds: Mapping[str, Directive] = field(default_factory=dict)
    """Variables that limit the training in whole seconds, and what makes each take fractions."""


def sizes_of(settings: Iterable[Setting], reads: Mapping[str, EnvRead]) -> tuple[Size, ...]:
    """Sizes that the environment feeds: from settings, and from reads that no setting accounts for."""
    found: dict[str, Size] = {}
    for setting in settings:
        if setting.env is not None:
            _note(found, setting.name, setting.env, setting.value, setting.origin)
    for read in reads.values():
        if read.name not in found:
            _note(found, read.name, read.name, _number(read.default, read.cast), SettingOrigin.DEFAULT)
    return tuple(found.values())


def lengths_of(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Settings of the environment that hold a schedule of sequence lengths."""
    return tuple(
        setting
        for setting in settings
        if setting.env is not None
        and "seq" in setting.name.lower()
        and isinstance(setting.value, str)
        and _SCHEDULE.fullmatch(setting.value.strip())
    )


def _note(found: dict[str, Size], name: str, env: str, value: Scalar, origin: SettingOrigin) -> None:
    known = value is not None
    if not known:  # read without a default: set, it outranks a profile inside the program
        value = next((usual for meaning, usual in USUAL.items() if meaning_of(env, usual) is meaning), None)
    meaning = meaning_of(env, value) or meaning_of(name, value)
    if meaning is not None and isinstance(value, (int, float)) and env not in found:
        found[env] = Size(name, env, meaning, value, origin, known)


def _number(default: Scalar, cast: str | None) -> Scalar:
    if isinstance(default, str) and cast in ("int", "float"):
        try:
            return int(default) if cast == "int" else float(default)
        except ValueError:
            return None
    return default


def original_sizes(sizes: Sequence[Size], declared: Sequence[Declaration], steps: int | None) -> Original:
    """The sizes that others relate to, from settings first, then from literals where settings are declared."""
    firm = (Form.CLASS, Form.MODULE, Form.ARGUMENT, Form.DICT, Form.ATTRIBUTE)
    known: dict[Meaning, tuple[str, float]] = {}
    for size in sorted(
        (one for one in sizes if one.known), key=lambda one: (not one.name.lower().startswith("train"), len(one.name))
    ):
        if size.value > 0:
            known.setdefault(size.meaning, (size.name, size.value))
    for one in declared:
        if one.form in firm and one.value > 0:
            known.setdefault(one.meaning, (one.name, one.value))

    def value(meaning: Meaning) -> int:
        return int(known[meaning][1]) if meaning in known else 0

    planned = value(Meaning.STEPS)
    dim, heads = value(Meaning.DIM), value(Meaning.HEADS)
    usual = Original()
    return Original(
        sequence=value(Meaning.SEQUENCE) or value(Meaning.EVAL_SEQUENCE) or usual.sequence,
        eval_sequence=value(Meaning.EVAL_SEQUENCE),
        dim=dim,
        heads=heads,
        kv_heads=value(Meaning.KV_HEADS) or heads,
        head_dim=value(Meaning.HEAD_DIM) or (dim // heads if heads else 0),
        steps=steps or (planned if 0 < planned < usual.steps else usual.steps),
        seconds=_limit(known.get(Meaning.WALLCLOCK), usual.seconds),
        batch_tokens=value(Meaning.BATCH_TOKENS),
        accumulation=max(_accumulations(sizes, declared), default=0),
    )


def _accumulations(sizes: Iterable[Size], declared: Iterable[Declaration]) -> list[int]:
    """All numbers of micro batches that a program names: a batch that fits the largest fits the others."""
    found = [int(size.value) for size in sizes if size.known and size.meaning is Meaning.ACCUMULATION]
    return found + [int(one.value) for one in declared if one.meaning is Meaning.ACCUMULATION]


def _limit(known: tuple[str, float] | None, usual: float) -> float:
    if known is None:
        return usual
    return known[1] / 1000 if known[0].lower().endswith("ms") else known[1]


def shapes(original: Original, changeable: frozenset[Meaning]) -> list[tuple[str, Shape, str]]:
    """The shapes to try, smallest first, with a name and what changes; the original (no shape) is the last.

    Where the number of heads cannot be changed it is kept, and only the head's dimension shrinks.
    """
    if not original.dim or Meaning.DIM not in changeable:
        return [("original", Shape(), "no model dimension can be changed; all other sizes are small")]
    free = Meaning.HEADS in changeable
    heads = min(_HEADS, original.heads) if free else original.heads or _HEADS
    tried = [
        (heads, 16, "the smallest shape"),
        (6, 16, "dimensions divisible by 3")
        if free and original.heads >= 6
        else (heads, 24, "dimensions divisible by 3"),
        (heads, 32, "a head has 32 dimensions"),
        (heads, 64, "a head has 64 dimensions, as most submissions have"),
        (heads, original.head_dim, "a head has the dimensions that it was made for"),
    ]
    result: list[tuple[str, Shape, str]] = []
    largest = 0
    for count, head_dim, changes in tried:
        dim = count * head_dim
        shape = Shape(dim=dim, heads=count if original.heads else None, head_dim=head_dim)
        if largest < dim < original.dim:
            largest = dim
            result.append((str(dim), shape, changes))
    result.append(("original", Shape(), f"the original shape with {FEW_STEPS} steps"))
    return result


def make_rungs(material: Material) -> tuple[Rung, ...]:
    """All rungs, in the order in which they are tried."""
    changeable = frozenset(size.meaning for size in material.sizes) | frozenset(
        one.meaning for one in material.declared if one.form not in (Form.DEFAULT, Form.KEYWORD, Form.LOCAL)
    )
    if material.artifact:
        return (_rung("original", Shape(), "a shipped artifact fixes the model's shape", material, STEPS),)
    found = shapes(material.original, changeable)
    return tuple(
        _rung(name, shape, changes, material, STEPS if shape.dim or len(found) == 1 else FEW_STEPS)
        for name, shape, changes in found
    )


def _rung(name: str, shape: Shape, changes: str, material: Material, steps: int) -> Rung:
    timed = any(size.meaning is Meaning.WALLCLOCK and size.value > 0 for size in material.sizes) or any(
        one.meaning is Meaning.WALLCLOCK for one in material.declared
    )
    tiny = Tiny(material.original, shape, steps, material.readings, timed and material.readings > 0)
    if shape.dim:
        shape = shape.model_copy(update={"kv_heads": tiny.kv_heads() if material.original.heads else None})
        tiny = replace(tiny, shape=shape)
    kept = OF_ARTIFACT if material.artifact else frozenset() if shape.dim else OF_SHAPE
    overrides = [_override(size, tiny, material) for size in material.sizes if size.meaning not in kept]
    lengths = [_lengths(setting, tiny) for setting in material.lengths]
    directives = [_directive(one, tiny) for one in material.declared if one.meaning not in kept]
    directives += [material.whole_seconds[one.name] for one in overrides if one and one.name in material.whole_seconds]
    return Rung(
        name=name,
        shape=shape,
        overrides=(*material.moved, *lengths, *(one for one in overrides if one is not None)),
        directives=tuple(one for one in directives if one is not None)[:MAX_DIRECTIVES],
        changes=changes,
    )


def why(meaning: Meaning, tiny: Tiny) -> str:
    """The reason that is recorded with a changed size."""
    if meaning in OF_SHAPE:
        return f"{meaning.value}: the model is {tiny.shape.dim} wide"
    if meaning in SECONDS:
        return f"{meaning.value}: the run's clock makes {tiny.steps} steps last {tiny.seconds:g} s"
    return f"{meaning.value}: {tiny.steps} steps on sequences of {tiny.sequence} tokens"


def _override(size: Size, tiny: Tiny, material: Material) -> Override | None:
    new = shrunk(size.meaning, size.value, size.name, tiny)
    if new is None:
        return None
    read = material.reads.get(size.env)
    if size.env in material.whole_seconds:
        new, read = float(new), None
    elif isinstance(size.value, int) or (read is not None and read.cast == "int"):
        new = max(int(new), 1) if size.meaning is Meaning.WALLCLOCK else int(new)
    text = spelled(float(new) if isinstance(size.value, float) and not isinstance(new, int) else new, read)
    if text is None:
        return None
    return Override(
        name=size.env,
        value=text,
        why=why(size.meaning, tiny),
        meaning=size.meaning,
        replaces=size.origin,
        was=size.value if size.known else None,
    )


def _lengths(setting: Setting, tiny: Tiny) -> Override:
    """A schedule of sequence lengths whose longest is the run's; the others keep about their proportion to it.

    They become powers of two, as the run's own length is, so that they divide a micro batch as it does.
    """
    text = str(setting.value)
    longest = max(int(length) for length in _LENGTH.findall(text)) or 1

    def scaled(match: re.Match[str]) -> str:
        length = max(_SHORTEST, int(match[0]) * tiny.sequence // longest)
        return str(tiny.sequence if int(match[0]) == longest else 1 << (length.bit_length() - 1))

    return Override(
        name=setting.env or setting.name,
        value=_LENGTH.sub(scaled, text),
        why=why(Meaning.SEQUENCE, tiny),
        meaning=Meaning.SEQUENCE,
        replaces=setting.origin,
        was=text,
    )


def _directive(one: Declaration, tiny: Tiny) -> Directive | None:
    new = shrunk(one.meaning, one.value, one.name, tiny)
    if new is None:
        return None
    if one.whole and one.meaning not in SECONDS and int(new) == one.value:
        return None
    return one.directive(new, why(one.meaning, tiny))
