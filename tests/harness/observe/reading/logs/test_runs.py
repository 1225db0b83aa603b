"""Splitting a file into runs, and folding a run that is printed twice."""

from harness.model.logs import RunFacts
from harness.observe.reading.logs import read_log
from harness.observe.reading.logs.runs import MAX_RUNS

HEADER = "model_params:{params}\nworld_size:8 grad_accum_steps:1\nseed:{seed}\nwarmup_step:1/20\n"
TRAINING = (
    "step:0/20000 val_loss:6.9 val_bpb:4.1 train_time:0ms\n"
    "step:{steps}/20000 train_loss:2.0 train_time:{ms}ms step_avg:43.54ms\n"
    "stopping_early: wallclock_cap train_time:{ms}ms step:{steps}/20000\n"
)
RESULT = "final_q val_loss:2.0 val_bpb:{bpb} eval_time:1401ms\n"


def run_text(seed: int, steps: int, ms: int, bpb: str) -> str:
    """A small log of one run."""
    body = TRAINING.format(steps=steps, ms=ms) + RESULT.format(bpb=bpb)
    return HEADER.format(params=17059912, seed=seed) + body


def runs(text: str) -> tuple[RunFacts, ...]:
    """The runs that `text` holds."""
    return read_log("train.log", text.encode()).facts.runs


def seeds(text: str) -> list[int | None]:
    """The seed of each run of `text`."""
    return [run.seed.value if run.seed else None for run in runs(text)]


def test_one_run() -> None:
    """Training, stop, result: one run with all its lines."""
    (run,) = runs(run_text(42, 900, 600061, "1.2244"))
    assert (run.first_line, run.last_line) == (1, 8)
    assert run.steps is not None
    assert (run.steps.value, run.steps.at.line) == (900, 7)


def test_another_seed_is_another_run() -> None:
    """The header belongs to the run that it opens."""
    text = run_text(42, 900, 600061, "1.2244") + run_text(7, 901, 600002, "1.2251")
    first, second = runs(text)
    assert seeds(text) == [42, 7]
    assert (first.last_line, second.first_line) == (8, 9)
    assert first.final is not None
    assert first.final.val_bpb == 1.2244


def test_the_same_seed_trained_again_is_another_run() -> None:
    """A restarted step counter behind a header opens a run, also without a result before it."""
    short = (
        HEADER.format(params=1706, seed=42)
        + "step:0/9 train_loss:6.9 train_time:1ms\nstep:5/9 train_loss:5.9 train_time:9ms\n"
    )
    found = runs(short + run_text(42, 900, 600061, "1.2244"))
    assert [run.steps.value for run in found if run.steps] == [5, 900]


def test_a_restart_without_a_header_needs_a_finished_run() -> None:
    """The counter of a finished run starting anew under the same plan is a new run; a later phase is none."""
    again = TRAINING.format(steps=800, ms=590000) + RESULT.format(bpb="1.3")
    assert len(runs(run_text(42, 900, 600061, "1.2244") + again)) == 2
    phase = "step:1/50 loss:2.0 t:5ms\nstep:2/50 loss:1.9 t:9ms\n"
    (run,) = runs(run_text(42, 900, 600061, "1.2244") + phase)
    assert run.steps is not None
    assert run.steps.value == 900


def test_an_evaluation_launched_later_belongs_to_its_run() -> None:
    """Training and evaluation in two launches under one seed are one run."""
    launch = "W0318 run.py:852] Setting OMP_NUM_THREADS environment variable for each process to be 1\nseed:42\n"
    (run,) = runs(
        run_text(42, 900, 600061, "1.2244") + launch + "legal_ttt val_loss:1.9 val_bpb:1.1119 eval_time:300s\n"
    )
    assert run.final is not None
    assert run.final.label == "legal_ttt"
    assert run.eval_seconds is not None
    assert run.eval_seconds.value == 300.0


def test_per_seed_summaries() -> None:
    """A digest with one block for each seed is read as runs."""
    text = "".join(f"=== Seed {seed} ===\nfinal_q val_loss:1.9 val_bpb:1.1{seed}\n" for seed in (42, 1337, 7))
    assert seeds(text) == [42, 1337, 7]


def test_the_same_run_printed_twice_is_one() -> None:
    """Console and log file in one: the repeat is folded in, and what only it shows is taken over."""
    console = run_text(42, 900, 600061, "1.2244")
    log = "Running PyTorch 2.9.1+cu128\n" + console
    (run,) = runs(console + log)
    assert run.repeats == 1
    assert (run.first_line, run.last_line) == (1, 17)
    assert run.torch is not None
    assert run.torch.value == "2.9.1+cu128"


def test_equal_results_of_different_trainings_stay_two_runs() -> None:
    """Another training time under another seed is another run, even with the same score."""
    assert len(runs(run_text(42, 900, 600061, "1.2244") + run_text(7, 900, 600063, "1.2244"))) == 2


def test_many_runs_are_bounded() -> None:
    """A file of endless restarts does not grow without limit."""
    text = "".join(run_text(n, 900, 600000 + n, "1.2") for n in range(3 * MAX_RUNS))
    assert len(runs(text)) == MAX_RUNS


def test_a_file_without_steps_or_scores_is_one_run_without_result() -> None:
    """What such a file shows (settings, versions) is kept."""
    (run,) = runs("Running PyTorch 2.9.1+cu128\nHyperparameters:\n  seed: 3\n")
    assert run.final is None
    assert run.torch is not None


def test_an_empty_file_has_no_run() -> None:
    """Nothing was run."""
    assert runs("\n\n") == ()
