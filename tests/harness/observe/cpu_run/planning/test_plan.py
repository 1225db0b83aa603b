"""Plans of whole submissions."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model.facts import SubmissionFacts
from harness.model.plan import EntryKind, Meaning, Plan, StepPurpose
from harness.model.target import FolderEntry, Origin
from harness.observe.cpu_run.guest.edits import rewritten
from harness.observe.cpu_run.planning.plan import plan_of
from harness.observe.intake.content import Content
from harness.observe.reading.source.grammar import parse
from harness.observe.reading.submission import read_submission

_FOLDER = FolderEntry(path="records/track_x/mine", track="x", origin=Origin.GIVEN)

_TRAIN = b"""
import os, time, torch

class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    iterations = int(os.environ.get("ITERATIONS", 20000))
    warmdown_iters = int(os.environ.get("WARMDOWN_ITERS", 3500))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 524288))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600))
    num_layers = int(os.environ.get("NUM_LAYERS", 11))
    xsa_last_n = int(os.environ.get("XSA_LAST_N", 4))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_heads = int(os.environ.get("NUM_HEADS", 8))
    num_kv_heads = int(os.environ.get("NUM_KV_HEADS", 4))
    ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))
    ttt_epochs = 3

def eval_sliding(model, stride=64):
    pass

def quantise(t):
    return t if t.numel() <= 65536 else t.half()

def main():
    args = Hyperparameters()
    step = 0
    while step < args.iterations:
        loss.backward()
        elapsed = time.perf_counter()
        step += 1
    eval_sliding(model, stride=64)

if __name__ == "__main__":
    main()
"""
_CLAIM = {"submission.json": b'{"val_bpb": 1.1}'}
_README = b"```\nTTT_ENABLED=1 XSA_LAST_N=11 SEED=$SEED torchrun --nproc_per_node=8 train_gpt.py\n```\n"


def _read(files: dict[str, bytes]) -> tuple[SubmissionFacts, Plan]:
    facts = read_submission(_FOLDER, {path: Content(data) for path, data in files.items()})
    return facts, plan_of(facts, files)


def test_a_usual_submission() -> None:
    """Features of the launch are on, sizes are small in their relations, layers are kept, all is recorded."""
    _, plan = _read({"train_gpt.py": _TRAIN, "README.md": _README})
    environment = dict(plan.environment)
    assert environment["TTT_ENABLED"] == "1"
    assert environment["XSA_LAST_N"] == "11"
    assert environment["WORLD_SIZE"] == "1"
    first = plan.rungs[0]
    small = {one.name: one.value for one in first.overrides}
    assert small["MODEL_DIM"] == "64"
    assert small["NUM_HEADS"] == "4"
    assert small["NUM_KV_HEADS"] == "2"
    assert small["TRAIN_SEQ_LEN"] == "64"
    assert small["TRAIN_BATCH_TOKENS"] == "512"
    assert float(small["MAX_WALLCLOCK_SECONDS"]) < 0.1
    assert not {"NUM_LAYERS", "XSA_LAST_N", "VOCAB_SIZE"} & small.keys()
    assert all(one.why and one.was is not None for one in first.overrides)
    assert [rung.name for rung in plan.rungs] == ["64", "96", "128", "256", "original"]
    assert {one.meaning for one in plan.rungs[-1].overrides}.isdisjoint({Meaning.DIM, Meaning.HEADS})
    assert [(step.kind, step.purpose) for step in plan.entry] == [(EntryKind.MAIN, StepPurpose.TRAIN_AND_EVALUATE)]
    assert plan.inputs is not None
    assert plan.inputs.vocabulary == 1024
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_literals_are_rewritten_in_place() -> None:
    """Directives of every rung apply to the program, which still parses with the same lines."""
    _, plan = _read({"train_gpt.py": _TRAIN, "README.md": _README})
    text = _TRAIN.decode()
    new = rewritten(text, plan.rungs[0].directives)
    assert "ttt_epochs = 2" in new
    assert "stride=16" in new
    assert "numel() <= 1024" in new
    for rung in plan.rungs:
        changed = rewritten(text, rung.directives)
        assert parse(changed).tree is not None
        assert changed.count("\n") == text.count("\n")


def test_a_limit_in_whole_seconds_ends_the_run() -> None:
    """It is set to a fraction of a second, and the program made to read one."""
    script = _TRAIN + b"\nTRAIN_SECONDS = int(os.environ.get('TRAIN_SECONDS', 10 if 'QUICK' in os.environ else 600))\n"
    _, plan = _read({"train_gpt.py": script})
    for rung in plan.rungs:
        assert {one.name: one.value for one in rung.overrides}["TRAIN_SECONDS"].startswith("0.0")
        assert "float(os.environ.get('TRAIN_SECONDS'" in rewritten(script.decode(), rung.directives)


def test_a_step_holds_the_micro_batches_of_every_way() -> None:
    """A setting of one micro batch beside a literal of eight: a step has room for as many as the literal becomes."""
    script = _TRAIN.replace(
        b"ttt_epochs = 3", b"ttt_epochs = 3\n    grad_accum_steps = int(os.environ.get('ACCUM', 1))"
    )
    script += b"\ngrad_accum_steps = 8 // int(os.environ['WORLD_SIZE'])\n"
    _, plan = _read({"train_gpt.py": script})
    small = {one.name: int(one.value) for one in plan.rungs[0].overrides if one.name.startswith("TRAIN_")}
    assert small["TRAIN_BATCH_TOKENS"] % (2 * small["TRAIN_SEQ_LEN"]) == 0


def test_a_schedule_of_lengths_keeps_its_proportions() -> None:
    """Its longest is the sequence length of the run."""
    read = b"train_seq_schedule = os.environ.get('TRAIN_SEQ_SCHEDULE', '')"
    script = _TRAIN.replace(b"ttt_epochs = 3", b"ttt_epochs = 3\n    " + read)
    readme = b"```\nTRAIN_SEQ_SCHEDULE=384@0.35,1024@1.000 torchrun --nproc_per_node=8 train_gpt.py\n```\n"
    _, plan = _read({"train_gpt.py": script, "README.md": readme})
    (found,) = [one for one in plan.rungs[0].overrides if one.name == "TRAIN_SEQ_SCHEDULE"]
    assert (found.value, found.was, found.meaning) == ("16@0.35,64@1.000", "384@0.35,1024@1.000", Meaning.SEQUENCE)


def test_modules_of_the_submission_are_rewritten_too() -> None:
    """A size that stands in an imported file is changed there."""
    files = {
        "train_gpt.py": b"import torch\nfrom config import EVAL_STRIDE\nmain()\n",
        "config.py": b"EVAL_STRIDE = 64\n",
    }
    _, plan = _read(files)
    assert [(one.at.path, one.new) for one in plan.rungs[0].directives] == [("config.py", "16")]


def test_programs_of_other_stages_are_rewritten_too() -> None:
    """A run script starts several programs: the sizes of each are its own."""
    other = b"import torch\nworld_size = 1\ngrad_accum_steps = 8 // world_size\nloss.backward()\n"
    stages = b"python train_gpt.py\npython train_later.py\n"
    _, plan = _read({"train_gpt.py": _TRAIN, "train_later.py": other, "run.sh": stages})
    assert [step.path for step in plan.entry] == ["train_gpt.py", "train_later.py"]
    found = [(one.at.path, one.at.line, one.new) for one in plan.rungs[0].directives]
    assert ("train_later.py", 3, "2") in found


def test_a_program_that_computes_nothing() -> None:
    """A text that only prints runs and trains nothing; one that starts or loads other code may."""
    prints = b"import os\n\nif __name__ == '__main__':\n    print(os.environ)\n"
    _, plan = _read({"train_gpt.py": prints, **_CLAIM})
    assert "nothing in the program trains" in (plan.reason or "")
    assert plan.entry
    for reaches in (b"import numpy\n", b"import subprocess\n", b"import os\nos.system('a')\n", b"exec('a')\n"):
        assert _read({"train_gpt.py": reaches + b"print(1)\n", **_CLAIM})[1].reason is None
    assert _read({"train_gpt.py": prints})[1].reason is None  # it claims nothing


def test_a_program_that_prepares_data_is_no_submission() -> None:
    """A folder with nothing but a tokenizer's maker trains nothing; one whose maker learns may."""
    making = b"import sentencepiece\n\nif __name__ == '__main__':\n    sentencepiece.train()\n"
    _, plan = _read({"retokenize.py": making, **_CLAIM})
    assert "retokenize.py prepares data" in (plan.reason or "")
    assert _read({"retokenize.py": making + b"    loss.backward()\n", **_CLAIM})[1].reason is None


def test_without_a_script_there_is_nothing_to_run() -> None:
    """The reason is told, and nothing is raised."""
    _, plan = _read({"README.md": b"# words"})
    assert plan.script is None
    assert plan.reason


def test_what_does_not_parse_cannot_be_planned() -> None:
    """The line and the complaint are told."""
    _, plan = _read({"train_gpt.py": b"import torch\nx = = 1\n"})
    assert plan.reason is not None
    assert "line 2" in plan.reason
    assert plan.rungs == ()


def test_other_frameworks_are_refused() -> None:
    """MLX does not run here."""
    _, plan = _read({"train_gpt.py": b"import mlx.core as mx\nmain()\n"})
    assert plan.reason is not None
    assert "MLX" in plan.reason


@given(st.binary(max_size=60), st.integers(0, len(_TRAIN)))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_programs_are_planned_or_refused(noise: bytes, place: int) -> None:
    """Whatever stands in the file, a plan or a reason comes out."""
    _, plan = _read({"train_gpt.py": _TRAIN[:place] + noise + _TRAIN[place:], "README.md": _README})
    assert plan.reason or (plan.entry and plan.rungs)


def test_a_setting_without_a_default_is_given_a_size() -> None:
    """Set, it outranks a profile inside the program; the record says that nothing is known of its value."""
    program = b"""
import os, torch
iterations = os.environ.get("ITERATIONS")
tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 65536))
batch_size = int(os.environ.get("BATCH_SIZE", 8))
main()
"""
    _, plan = _read({"train_gpt.py": program})
    small = {one.name: (one.value, one.was) for one in plan.rungs[0].overrides}
    assert small["ITERATIONS"] == ("12", None)
    assert small["BATCH_SIZE"] == ("1", 8)
    assert int(small["TRAIN_BATCH_TOKENS"][0]) % 8 == 0
