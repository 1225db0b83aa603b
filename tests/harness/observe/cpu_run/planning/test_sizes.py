"""Relations between sizes that shrinking keeps."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.model.plan import Meaning, Shape
from harness.observe.cpu_run.planning.rungs import shapes
from harness.observe.cpu_run.planning.sizes import (
    ACCUMULATION,
    KEPT,
    MICRO_BATCHES,
    STEPS,
    VAL_TOKENS,
    Original,
    Tiny,
    shrunk,
)

_SEQUENCES = st.sampled_from([64, 256, 512, 1024, 2048, 4096])
_VALUES = st.one_of(st.integers(1, 1 << 30), st.floats(0.001, 1e6))


@st.composite
def _originals(draw: st.DrawFn) -> Original:
    heads = draw(st.sampled_from([0, 1, 2, 4, 6, 8, 10, 12, 16]))
    kv = draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0])) if heads else 0
    head_dim = draw(st.sampled_from([32, 48, 64, 128]))
    return Original(
        sequence=draw(_SEQUENCES),
        eval_sequence=draw(st.one_of(st.just(0), _SEQUENCES)),
        dim=(heads or 8) * head_dim,
        heads=heads,
        kv_heads=kv,
        head_dim=head_dim if heads else 0,
        steps=draw(st.integers(1, 20_000)),
        batch_tokens=draw(st.sampled_from([0, 65_536, 524_288, 786_432])),
        accumulation=draw(st.sampled_from([0, 1, 2, 8])),
    )


_CHANGEABLE = frozenset({Meaning.DIM, Meaning.HEADS, Meaning.KV_HEADS})


@given(_originals(), st.sampled_from(list(Meaning)), _VALUES, st.integers(0, 8))
@example(Original(sequence=64, dim=256, steps=1), Meaning.SEQUENCE, 0.5, 0)
def test_no_size_grows_and_none_becomes_zero(original: Original, meaning: Meaning, value: float, readings: int) -> None:
    """Whatever the size, the tiny value is positive, and not larger than it was or than one unit of the run."""
    for _, shape, _ in shapes(original, _CHANGEABLE):
        tiny = Tiny(original, shape, STEPS, readings, timed=True)
        new = shrunk(meaning, value, "some_name", tiny)
        if new is not None:
            assert new > 0
            units = (Meaning.BATCH_TOKENS, Meaning.DIM, Meaning.HEADS, Meaning.KV_HEADS, Meaning.HEAD_DIM)
            floors = (Meaning.NUMEL, Meaning.ROPE_DIMS)
            assert new <= max(value, 16) or meaning in (*units, *floors)
        if meaning in KEPT:
            assert new is None


@given(_originals(), st.sampled_from(list(Meaning)), st.sampled_from([0, -1, 0.0, -2.5]))
def test_what_is_off_stays_off(original: Original, meaning: Meaning, value: float) -> None:
    """Zero and negative values mean off, automatic or all, and are never changed."""
    assert shrunk(meaning, value, "some_name", Tiny(original, Shape(dim=64, heads=4))) is None


@given(_originals())
def test_shapes_divide(original: Original) -> None:
    """In every rung heads divide the dimension, key heads divide heads, and a head's dimension is even."""
    found = shapes(original, _CHANGEABLE)
    assert found[-1][1] == Shape()
    dims = [shape.dim for _, shape, _ in found if shape.dim]
    assert dims == sorted(dims)
    assert all(dim < original.dim for dim in dims)
    for _, shape, _ in found[:-1]:
        tiny = Tiny(original, shape)
        heads = shape.heads or 1
        assert shape.dim is not None
        assert shape.dim % heads == 0
        assert heads % tiny.kv_heads() == 0
        assert shape.head_dim is not None
        assert shape.head_dim % 2 == 0
        rope = shrunk(Meaning.ROPE_DIMS, original.head_dim or 64, "rope_dims", tiny)
        assert rope is None or (rope <= tiny.head_dim() and rope % 2 == 0)


def test_large_heads_are_tried_at_their_own_size() -> None:
    """Heads of other dimensions than most are tried before the original shape."""
    changeable = frozenset({Meaning.DIM, Meaning.HEADS})
    large = shapes(Original(dim=1536, heads=12, kv_heads=4, head_dim=128), changeable)
    assert [shape.head_dim for _, shape, _ in large] == [16, 16, 32, 64, 128, None]
    usual = shapes(Original(dim=512, heads=8, kv_heads=4, head_dim=64), changeable)
    assert [shape.head_dim for _, shape, _ in usual] == [16, 16, 32, 64, None]


@given(_originals(), st.sampled_from([16, 32, 64, 128, 256, 512, 1024, 2048]))
def test_strides_and_batches_relate_to_the_sequence(original: Original, stride: int) -> None:
    """A stride is at most the evaluated sequence; batches hold whole sequences for every micro batch."""
    tiny = Tiny(original, Shape(dim=64, heads=4))
    evaluated = original.eval_sequence or original.sequence
    stride = min(stride, evaluated)
    new = shrunk(Meaning.STRIDE, stride, "eval_stride", tiny) or stride
    assert 0 < new <= tiny.eval_sequence
    tokens = shrunk(Meaning.BATCH_TOKENS, original.batch_tokens or 524_288, "train_batch_tokens", tiny)
    assert tokens is not None
    assert tokens % (tiny.micro_batches * tiny.sequence) == 0
    chunk = shrunk(Meaning.CHUNK_TOKENS, 16 * original.sequence, "ttt_chunk_tokens", tiny)
    assert chunk is None or chunk >= tiny.eval_sequence


@given(_originals(), st.integers(1, 20_000), st.integers(1, 20_000))
def test_order_of_steps_is_kept(original: Original, one: int, other: int) -> None:
    """Of two steps at which something starts, the earlier does not become the later; both lie inside the run."""
    tiny = Tiny(original, Shape(dim=64, heads=4))
    low, high = sorted((one, other))
    first = shrunk(Meaning.STEP, low, "a_start_step", tiny) or low
    second = shrunk(Meaning.STEP, high, "b_start_step", tiny) or high
    assert 1 <= first <= second
    assert second <= max(STEPS - 2, 1) or second == high


@given(_originals())
def test_whole_batches_hold_the_validation_stream(original: Original) -> None:
    """An evaluation that drops a last batch which is not full scores something, batches divided or not."""
    tiny = Tiny(original, Shape(dim=64, heads=4))
    batch = shrunk(Meaning.EVAL_BATCH_TOKENS, 524_288, "val_batch_tokens", tiny)
    assert batch is not None
    assert batch // tiny.micro_batches >= tiny.eval_sequence
    sequences = (VAL_TOKENS - 1) // tiny.eval_sequence
    assert sequences // (batch // tiny.eval_sequence) >= 1


def test_a_batch_of_whole_short_sequences_is_counted_in_tokens() -> None:
    """A program that divides its batch by its short sequences can still do so."""
    assert shrunk(Meaning.EVAL_BATCH, 256, "val_batch_size", Tiny(Original(sequence=64))) is None
    assert shrunk(Meaning.EVAL_BATCH, 256, "val_batch_size", Tiny(Original(sequence=1024))) == 32


def test_the_clock_ends_the_run() -> None:
    """Limits in seconds become what the run's clock shows after its steps, and what is kept back shrinks alike."""
    tiny = Tiny(Original(seconds=600.0), readings=2, timed=True)
    assert shrunk(Meaning.WALLCLOCK, 600.0, "max_wallclock_seconds", tiny) == tiny.seconds == 0.0245
    assert shrunk(Meaning.WALLCLOCK, 600_000, "max_wallclock_ms", tiny) == 24.5
    kept = shrunk(Meaning.RESERVE, 12.0, "gptq_reserve_seconds", tiny)
    assert kept is not None
    assert 0 < kept < tiny.seconds / 10


@pytest.mark.parametrize(("there", "micro_batches"), [(0, ACCUMULATION), (1, 1), (2, 2), (8, MICRO_BATCHES)])
def test_micro_batches(there: int, micro_batches: int) -> None:
    """Gradients are accumulated over two micro batches where that can be brought about, and nowhere over more."""
    tiny = Tiny(Original(accumulation=there))
    assert tiny.micro_batches == micro_batches
    assert shrunk(Meaning.BATCH_TOKENS, 524_288, "train_batch_tokens", tiny) == micro_batches * tiny.sequence
    assert (shrunk(Meaning.ACCUMULATION, there, "grad_accum_steps", tiny) or there) == min(there, MICRO_BATCHES)


def test_a_cache_is_asked_in_the_run() -> None:
    """Tokens that a cache waits for are the same share of the stream as of the real one, and at least one."""
    for value in (200, 5_000, 10_000, 1_000_000):
        new = shrunk(Meaning.CACHE_TOKENS, value, "ngram_min_tokens", Tiny(Original(), Shape()))
        assert new is not None
        assert 1 <= new < VAL_TOKENS / 50
