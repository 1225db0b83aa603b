"""Which failures call for the next rung."""

import pytest

from harness.model.plan import Plan, Rung, Shape
from harness.observe.cpu_run.planning.ladder import Cause, Failure, cause_of, next_rung


@pytest.mark.parametrize(
    ("exception", "message", "source", "cause"),
    [
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (64x64 and 512x64)", "", Cause.SHAPE),
        ("RuntimeError", "shape '[1, 64, 8, 64]' is invalid for input of size 4096", "", Cause.SHAPE),
        (
            "RuntimeError",
            "The size of tensor a (16) must match the size of tensor b (32) at non-singleton dimension 3",
            "",
            Cause.SHAPE,
        ),
        ("RuntimeError", "Sizes of tensors must match except in dimension 1. Expected size 64", "", Cause.SHAPE),
        ("RuntimeError", "split_with_sizes expects split_sizes to sum exactly to 16", "", Cause.SHAPE),
        ("RuntimeError", "Error(s) in loading state_dict for GPT:\n\tsize mismatch for w", "", Cause.SHAPE),
        ("ValueError", "cannot reshape array of size 64 into shape (2,3)", "", Cause.SHAPE),
        ("ValueError", "model_dim must be divisible by num_heads", "", Cause.DIVISIBILITY),
        ("ValueError", "head_dim must be even for RoPE", "", Cause.DIVISIBILITY),
        ("ValueError", "buckets must be a power of 2", "", Cause.DIVISIBILITY),
        ("AssertionError", "", "assert dim % groups == 0 and out % groups == 0", Cause.DIVISIBILITY),
        ("AssertionError", "", "assert x.shape[-1] == self.dim", Cause.SHAPE),
        ("ZeroDivisionError", "integer division or modulo by zero", "n = tokens // (dim // 128)", Cause.DIVISIBILITY),
        ("IndexError", "index out of range in self", "return F.embedding(ids, self.weight)", Cause.INDEX),
        ("IndexError", "index 31 is out of bounds for dimension 0 with size 16", "x = w[31]", Cause.INDEX),
        ("RuntimeError", "selected index k out of range", "v, i = x.topk(64)", Cause.INDEX),
        ("ValueError", "VOCAB_SIZE=260 does not match tokenizer vocab_size=1024", "", Cause.VOCABULARY),
        ("AssertionError", "", "assert int(sp.vocab_size()) == args.vocab_size", Cause.VOCABULARY),
        ("ValueError", "Validation split is too short for TRAIN_SEQ_LEN=1024", "", Cause.TOKENS),
        ("ValueError", "VAL_BATCH_SIZE must provide at least one sequence per rank", "", Cause.TOKENS),
        ("RuntimeError", "random_ expects 'from' to be less than 'to', but got from=0 >= to=-3", "", Cause.TOKENS),
        ("RuntimeError", "stack expects a non-empty TensorList", "", Cause.TOKENS),
        ("ModuleNotFoundError", "No module named 'modal'", "import modal", Cause.OTHER),
        ("KeyError", "'blocks.0.attn.c_q.weight'", "w = state[name]", Cause.OTHER),
        ("FileNotFoundError", "No files found for pattern: ./data/x_*.bin", "", Cause.OTHER),
        ("MemoryError", "", "x = torch.empty(1 << 40)", Cause.OTHER),
        ("TimeoutError", "size mismatch", "", Cause.OTHER),
        ("torch.OutOfMemoryError", "size mismatch", "", Cause.OTHER),
        ("NotSupported", "shapes cannot be multiplied", "", Cause.OTHER),
        ("ValueError", "WORLD_SIZE=3 must divide 8 so grad_accum_steps stays integral", "", Cause.OTHER),
        ("AssertionError", "", "assert world_size == 8", Cause.OTHER),
        ("AssertionError", "", "assert total_bytes < 16000000", Cause.OTHER),
        ("AssertionError", "", "assert total_train_time < 600.0", Cause.OTHER),
        ("AssertionError", "", "assert ready", Cause.OTHER),
        ("ValueError", "the bottleneck's width must be at most model_dim", "", Cause.SHAPE),
        ("ValueError", "INNER_DIM must be <= OUTER_DIM", "", Cause.SHAPE),
        ("ValueError", "the head must be smaller", "", Cause.SHAPE),
        ("ValueError", "the mode must be set", "", Cause.OTHER),
        ("RuntimeError", "the gradient's norm is non-finite", "", Cause.NUMBERS),
        ("FloatingPointError", "loss is NaN at step 3", "", Cause.NUMBERS),
        ("RuntimeError", "no finance module", "", Cause.OTHER),
        ("IndexError", "list index out of range", "path = sys.argv[1]", Cause.OTHER),
        ("IndexError", "list index out of range", "first = sorted(glob.glob(pattern))[0]", Cause.OTHER),
        ("ValueError", "logit_softcap must be positive, got 0.0", "", Cause.OTHER),
        ("RuntimeError", "CUDA is required", "", Cause.OTHER),
        ("ZeroDivisionError", "float division by zero", "raise ZeroDivisionError", Cause.OTHER),
        ("ZeroDivisionError", "float division by zero", "bpb = loss * (tokens / count)", Cause.OTHER),
    ],
)
def test_the_cause_is_told_by_type_message_and_line(exception: str, message: str, source: str, cause: Cause) -> None:
    """Matters of size are told from everything else."""
    assert cause_of(Failure(exception, message, source)) is cause


_PLAN = Plan(
    script="train.py",
    rungs=(Rung(name="64", shape=Shape(dim=64)), Rung(name="96", shape=Shape(dim=96), changes="divisible by 3")),
)
_SIZE = Failure("ValueError", "model_dim must be divisible by num_heads")


def test_matters_of_size_go_on_to_the_next_rung() -> None:
    """The next rung's number is given."""
    assert next_rung(_PLAN, 0, _SIZE) == 1


def test_the_same_numbers_twice_end_the_ladder() -> None:
    """Numbers that are the same in two shapes are not those of the shape; words without numbers show nothing."""
    plan = _PLAN.model_copy(update={"rungs": (*_PLAN.rungs, Rung(name="128", shape=Shape(dim=128)))})
    first = Failure("RuntimeError", "shape '[-1, 48]' is invalid for input of size 12", "x.reshape(-1, length)")
    assert next_rung(plan, 1, first, first) is None
    assert next_rung(plan, 1, first, Failure("RuntimeError", "shape '[-1, 48]' is invalid for input of size 9")) == 2
    assert next_rung(plan, 1, _SIZE, _SIZE) == 2


def test_the_last_rung_ends_the_ladder() -> None:
    """There is nothing to try after it."""
    assert next_rung(_PLAN, 1, _SIZE) is None


def test_other_failures_end_the_ladder() -> None:
    """Another shape would only hide what is wrong."""
    assert next_rung(_PLAN, 0, Failure("KeyError", "'x'")) is None
    assert next_rung(_PLAN, 0, Failure("ValueError", "Validation split is too short")) is None
