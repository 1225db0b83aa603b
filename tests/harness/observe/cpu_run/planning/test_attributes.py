"""Literal sizes in all their forms, and the directives made of them."""

import textwrap

import pytest

from harness.model.plan import Meaning
from harness.observe.cpu_run.guest.edits import rewritten
from harness.observe.cpu_run.planning.attributes import (
    Declaration,
    Form,
    declarations,
    divisor_of_batches,
    whole_seconds,
)
from harness.observe.reading.source.grammar import parse


def _found(text: str) -> tuple[str, tuple[Declaration, ...]]:
    parsed = parse(textwrap.dedent(text))
    return parsed.text, declarations(parsed, "train.py", 0)


@pytest.mark.parametrize(
    ("text", "form", "meaning", "value"),
    [
        ("class Args:\n    eval_stride = 64", Form.CLASS, Meaning.STRIDE, 64),
        ("@dataclass\nclass Args:\n    dim: int = 8 * 64", Form.CLASS, Meaning.DIM, 512),
        ("class Args:\n    dim: int = field(default=512)", Form.CLASS, Meaning.DIM, 512),
        ("BUCKETS = 1 << 22", Form.MODULE, Meaning.BUCKETS, 1 << 22),
        ("p.add_argument('-s', '--seq-len', type=int, default=1024)", Form.ARGUMENT, Meaning.SEQUENCE, 1024),
        ("p.add_argument('--seq-len', type=int, default='1024')", Form.ARGUMENT, Meaning.SEQUENCE, 1024),
        ("config = {'train_seq_len': 1024}", Form.DICT, Meaning.SEQUENCE, 1024),
        ("config = dict(model_dim=512)", Form.DICT, Meaning.DIM, 512),
        ("config = GPTConfig(n_embd=768)", Form.DICT, Meaning.DIM, 768),
        ("def main():\n    args.eval_stride = 64", Form.ATTRIBUTE, Meaning.STRIDE, 64),
        ("os.environ['ITERATIONS'] = '9000'", Form.ENVIRON, Meaning.STEPS, 9000),
        ("def eval_sliding(model, stride=64): pass", Form.DEFAULT, Meaning.STRIDE, 64),
        ("def calibrate(*, n_calibration_batches=256): pass", Form.DEFAULT, Meaning.CALIBRATION_BATCHES, 256),
        ("def make_calib_texts(model, num_seqs=64): pass", Form.DEFAULT, Meaning.CALIBRATION_BATCHES, 64),
        ("collect_hessians(model, n_batches=256)", Form.KEYWORD, Meaning.CALIBRATION_BATCHES, 256),
        ("eval_val_sliding(model, stride=64)", Form.KEYWORD, Meaning.STRIDE, 64),
        ("def run():\n    ttt_chunk_tokens = 32 * 1024", Form.LOCAL, Meaning.CHUNK_TOKENS, 32_768),
        ("steps = max(1, 32 // max(self.world_size, 1))", Form.SPLIT, Meaning.ACCUMULATION, 32),
        ("steps = 24 // dist.get_world_size()", Form.SPLIT, Meaning.ACCUMULATION, 24),
        ("def main():\n    grad_accum_steps = 24", Form.LOCAL, Meaning.ACCUMULATION, 24),
        ("packer.compress(data, quality=11)", Form.KEYWORD, Meaning.EFFORT, 11),
        ("Compressor(data, preset=9 | xz.PRESET_EXTREME)", Form.KEYWORD, Meaning.EFFORT, 9 | 1 << 31),
        ("if t.numel() <= 65_536:\n    pass", Form.COMPARISON, Meaning.NUMEL, 65_536),
        ("if module.weight.shape[0] >= 64:\n    pass", Form.COMPARISON, Meaning.WIDTH, 64),
        ("if p.size(1) < 128:\n    pass", Form.COMPARISON, Meaning.WIDTH, 128),
        ("assert 26_000_000 < n_params < 28_000_000", Form.COMPARISON, Meaning.PARAMETERS, 26_000_000),
        ("assert total_params >= 17_000_000", Form.COMPARISON, Meaning.PARAMETERS, 17_000_000),
        ("if step >= 2_000:\n    pass", Form.COMPARISON, Meaning.STEP, 2_000),
        ("if self.total_tokens < 10000:\n    pass", Form.COMPARISON, Meaning.CACHE_TOKENS, 10_000),
        ("if num_buckets < 1024:\n    raise ValueError", Form.COMPARISON, Meaning.BUCKETS, 1_024),
        ("if skip or args.iterations < 1000:\n    pass", Form.COMPARISON, Meaning.STEP, 1_000),
        ("longest = max(args.train_seq_len, length, 4096)", Form.LEAST, Meaning.SEQUENCE, 4_096),
    ],
)
def test_every_form_is_found_and_rewritten(text: str, form: Form, meaning: Meaning, value: int) -> None:
    """The size is found where it stands, and its directive changes just that."""
    source, found = _found(text)
    assert [(one.form, one.meaning, one.value) for one in found] == [(form, meaning, value)]
    new = rewritten(source, [found[0].directive(16, "a test")])
    assert new != source
    again = declarations(parse(new), "train.py", 0)
    expected = [16] if form not in (Form.COMPARISON, Form.LEAST) else []
    assert [one.value for one in again if one.value == 16] == expected
    assert new.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "def newton_schulz(g, steps=10): pass",
        "torch.softmax(x, dim=512)",
        "def quantise(w, block_size=128): pass",
        "class Block(nn.Module):\n    def __init__(self):\n        self.num_heads = 8",
        "eval_stride = int(os.environ.get('EVAL_STRIDE', 64))",
        "eval_stride = 64 if fast else 32",
        "xsa_last_n = 11",
        "rows = 65536 // world_size",
        "steps = total // world_size",
        "rows = 1 // world_size",
        "def evaluate(model, grad_accum_steps=8): pass",
        "def draw(model, num_seqs=64): pass",
        "view.render(data, quality=11)",
        "seq_len = tokens.numel() // 1024",
        "if header.numel() != 256:\n    raise ValueError",
        "ok = header.numel() == 1_024",
        "if tokens.shape[0] >= 64:\n    pass",
        "assert n_params < 28_000_000",
        "if n_params > 1_000:\n    pass",
        "if step < 10:\n    pass",
        "longest = max(args.train_seq_len, 1)",
        "longest = max(width, 4096)",
        "def f(stride=64): pass",
    ],
)
def test_what_is_no_setting_is_left_alone(text: str) -> None:
    """Parameters of helpers, parts of the model, values that the environment feeds, and expressions of others."""
    assert _found(text)[1] == ()


def test_a_literal_over_several_lines_is_left_alone() -> None:
    """A directive never crosses a line, so that line numbers stay."""
    assert _found("BUCKETS = (1 <<\n    22)")[1] == ()


def test_seconds_become_fractions_even_where_integers_stood() -> None:
    """A limit of 600 seconds is replaced by a fraction of one."""
    source, found = _found("class Args:\n    max_wallclock_seconds = 600")
    assert "max_wallclock_seconds = 0.02" in rewritten(source, [found[0].directive(0.02, "a test")])


def test_text_stays_text() -> None:
    """The environment takes texts only."""
    source, found = _found("os.environ['ITERATIONS'] = '9000'")
    assert rewritten(source, [found[0].directive(12, "a test")]) == "os.environ['ITERATIONS'] = \"12\""


def test_columns_behind_other_letters() -> None:
    """Letters outside ASCII before a literal do not move its directive."""
    source, found = _found("note, eval_stride = 'größe', 64")
    assert rewritten(source, [found[0].directive(8, "a test")]).endswith("'größe', 8")


def test_what_does_not_parse_declares_nothing() -> None:
    """A broken file gives no directives."""
    assert _found("class Args:\n    eval_stride = = 64")[1] == ()


@pytest.mark.parametrize(
    ("text", "divisor"),
    [
        ("load(args.train_batch_tokens // 4)", 4),
        ("load(batch_tokens // 2, BATCH_TOKENS // 8)", 8),
        ("print(args.train_batch_tokens // 1024)", 1),
        ("load(args.train_batch_tokens // parts, rows // 4)", 1),
    ],
)
def test_what_batches_are_divided_by(text: str, divisor: int) -> None:
    """The largest number by which tokens a step are divided; what is only shown in thousands does not count."""
    assert divisor_of_batches(parse(text)) == divisor


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("LIMIT = int(os.environ.get('TIME_LIMIT', '9' if fast else '600'))", "float(os.environ"),
        ("größe = 1; limit = min(int(getenv('MAX_WALLCLOCK_SECONDS')), 600)", "min(float(getenv"),
        ("steps = int(os.environ.get('ITERATIONS', 600))", None),
        ("limit = int(settings.get('TIME_LIMIT', 600))", None),
        ("limit = float(os.environ['TIME_LIMIT'])", None),
    ],
)
def test_limits_in_whole_seconds_come_to_take_fractions(text: str, changed: str | None) -> None:
    """`int` around a limit that the environment gives becomes `float`; other numbers stay whole."""
    parsed = parse(text)
    found = whole_seconds(parsed, "train.py", 0)
    assert (changed in rewritten(parsed.text, found.values())) if changed is not None else not found
