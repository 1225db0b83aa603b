"""What settings' names mean."""

import pytest

from harness.model.plan import Meaning
from harness.observe.cpu_run.planning.meanings import AMBIGUOUS, meaning_of


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("ITERATIONS", 20_000, Meaning.STEPS),
        ("max_steps", 5_120, Meaning.STEPS),
        ("warmup_steps", 20, Meaning.WARMUP),
        ("warmup_length_iters", 3, Meaning.WARMUP),
        ("warmdown_iters", 3_500, Meaning.WARMDOWN),
        ("muon_momentum_warmup_steps", 1_500, Meaning.STEP),
        ("recur_start_step", 3_000, Meaning.STEP),
        ("swa_every", 50, Meaning.EVERY),
        ("lawa_freq", 100, Meaning.EVERY),
        ("val_loss_every", 4_000, Meaning.VALIDATE_EVERY),
        ("train_log_every", 200, Meaning.LOG_EVERY),
        ("max_wallclock_seconds", 600.0, Meaning.WALLCLOCK),
        ("time_limit", 600, Meaning.WALLCLOCK),
        ("gptq_reserve_ms", 14_000.0, Meaning.RESERVE),
        ("finalize_budget_seconds", 15.0, Meaning.RESERVE),
        ("global_dim", 768, Meaning.WIDTH),
        ("train_batch_tokens", 786_432, Meaning.BATCH_TOKENS),
        ("val_batch_size", 524_288, Meaning.EVAL_BATCH_TOKENS),
        ("val_batch_size", 64, Meaning.EVAL_BATCH),
        ("eval_batch_seqs", 32, Meaning.EVAL_BATCH),
        ("train_seq_len", 2_048, Meaning.SEQUENCE),
        ("eval_seq_len", 2_048, Meaning.EVAL_SEQUENCE),
        ("ttt_eval_seq_len", 2_048, Meaning.EVAL_SEQUENCE),
        ("eval_stride", 64, Meaning.STRIDE),
        ("--stride", 64, Meaning.STRIDE),
        ("ttt_chunk_tokens", 32_768, Meaning.CHUNK_TOKENS),
        ("ttt_chunk_size", 48, Meaning.CHUNK),
        ("ttt_chunk_size", 32_768, Meaning.CHUNK_TOKENS),
        ("ttt_epochs", 3, Meaning.TTT_EPOCHS),
        ("slot_steps", 8, Meaning.TTT_STEPS),
        ("ttt_batch_seqs", 32, Meaning.TTT_BATCH),
        ("gptq_calibration_batches", 64, Meaning.CALIBRATION_BATCHES),
        ("phased_ttt_prefix_docs", 2_000, Meaning.DOCUMENTS),
        ("val_max_tokens", 500_000, Meaning.TOKEN_LIMIT),
        ("NGRAM_MIN_TOKENS", 5_000, Meaning.CACHE_TOKENS),
        ("mixer_min_tokens", 10_000, Meaning.CACHE_TOKENS),
        ("ngram_eval_buckets", 4_194_304, Meaning.BUCKETS),
        ("bigram_vocab_size", 10_240, Meaning.BUCKETS),
        ("ngram_open_table_bits", 26, Meaning.BUCKET_BITS),
        ("keep_float_max_numel", 65_536, Meaning.NUMEL),
        ("curriculum_short_seq", 1_024, Meaning.SEQUENCE),
        ("teacher_seq_len", 1_024, Meaning.SEQUENCE),
        ("min_width", 64, Meaning.WIDTH),
        ("physics_steps", 5_000, Meaning.STEP),
        ("local_batch_tokens", 86_016, Meaning.MICRO_BATCH_TOKENS),
        ("vocab_size", 1_024, Meaning.VOCABULARY),
        ("num_layers", 11, Meaning.LAYERS),
        ("model_dim", 512, Meaning.DIM),
        ("num_heads", 8, Meaning.HEADS),
        ("num_kv_heads", 4, Meaning.KV_HEADS),
        ("rope_dims", 16, Meaning.ROPE_DIMS),
        ("mlp_hidden", 1_536, Meaning.HIDDEN),
        ("inner_latent_dim", 256, Meaning.WIDTH),
        ("ve_dim", 128, Meaning.WIDTH),
    ],
)
def test_the_usual_names_are_known(name: str, value: float, meaning: Meaning) -> None:
    """Names that the field uses have their meaning; values tell tokens from sequences."""
    assert meaning_of(name, value) is meaning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("muon_backend_steps", 5),
        ("ttt_ns_steps", 5),
        ("ema_decay", 0.997),
        ("logit_softcap", 30.0),
        ("xsa_last_n", 11),
        ("ttt_freeze_blocks", 2),
        ("loop_start", 3),
        ("ttt_lr", 0.002),
        ("matrix_bits", 6),
        ("gate_window", 12),
        ("gptq_block_size", 128),
        ("moe_window_stride", 64),
        ("warmdown", 0.72),
        ("iterations", True),
        ("iterations", "20000"),
        ("iterations", None),
    ],
)
def test_other_names_are_left_alone(name: str, value: object) -> None:
    """Layer numbers, rates, counts of an algorithm, shares and texts are no sizes."""
    assert meaning_of(name, value) is None  # type: ignore[arg-type]  # anything may stand in a program


def test_ambiguous_names_have_a_meaning_where_settings_are_declared() -> None:
    """The list of ambiguous names holds names that mean something, not any word."""
    known = [name for name in AMBIGUOUS if meaning_of(name, 64) is not None]
    assert len(known) >= len(AMBIGUOUS) - 2
