"""What a setting's name says that it means.

The table was written after a survey of the settings of 306 submissions (every tenth pull request and the merged
records): names that occur with one meaning only are in it, those that mean several things are `AMBIGUOUS` and count
only where settings are declared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from harness.model.base import Scalar
from harness.model.plan import Meaning

_MANY_STEPS = 500
"""Steps from here on are those of a training run, or of something as long; below of a solver or a schedule's ramp."""
_STEPS_OF = re.compile(r"\w+_(steps|iters|iterations)")
_LARGE = 4096
"""Batches and chunks from here on are counted in tokens, below in sequences or inside a sequence."""

SECONDS = frozenset({Meaning.WALLCLOCK, Meaning.RESERVE})
"""Times: values below one are fractions of a second, not shares."""
USUAL: Mapping[Meaning, int] = {
    Meaning.STEPS: 20_000, Meaning.WALLCLOCK: 600, Meaning.SEQUENCE: 1_024, Meaning.BATCH_TOKENS: 524_288,
    Meaning.WARMDOWN: 1_200,
}  # fmt: skip
"""Values that most programs have: they stand for a value that is not known, where a name alone is ambiguous."""

_TABLE: Mapping[Meaning, str] = {
    Meaning.STEPS: r"(num_|train_|max_|total_|n_|training_)?(iterations|iters|steps) max_train_steps niters",
    Meaning.EPOCHS: r"(num_|train_|n_)?epochs",
    Meaning.WARMUP: r"(lr_|compile_|recur_|loop_|num_)?warmup_(\w+_)?(steps|iters|iterations) (compile_)?warmup",
    Meaning.WARMDOWN: r"(lr_)?(warmdown|cooldown|decay|warm_down)_(iters|steps|iterations) warmdown",
    Meaning.VALIDATE_EVERY: r"(\w+_)?(val|eval)(_loss|_bpb)?_(every|interval|freq|period)",
    Meaning.LOG_EVERY: r"(\w+_)?log_(every|interval|freq) \w*timing_every print_every",
    Meaning.EVERY: r"""
        (swa|ema|lawa|ckpt|checkpoint|snapshot|entropy|quant_aware|save|update|reg)_?(every|freq|interval)""",
    Meaning.STEP: r"""
        \w+_(warmup|ramp|last|start|delay)_(steps|iters) \w+_(start|begin|switch|enable|at)_(step|iter)
        (start|switch)_(step|iter) (qat|swa|ema|recur|loop|late_qat)_(from|after)(_step)?""",
    Meaning.WALLCLOCK: r"""
        max_wallclock(_seconds|_secs|_sec|_s|_ms)? wallclock(_limit|_cap|_budget)?(_seconds|_s|_ms)?
        (max_)?train(ing)?_(seconds|time|time_limit|budget|time_seconds)(_s|_seconds)?
        (train_)?(time_)?(budget|limit)(_seconds|_secs|_s) (train_)?time_(budget|limit)""",
    Meaning.RESERVE: r"""
        \w*reserve_?(seconds|secs|s|ms)?
        (\w+_)?(finali[sz]e|export|quant|gptq|save|serialize)_budget(_seconds|_secs|_s|_ms)?""",
    Meaning.MICRO_BATCH_TOKENS: r"""
        (device_|max_|mlx_max_)?micro_?batch_tokens (local|device|per_device|per_gpu)_batch_tokens""",
    Meaning.BATCH_TOKENS: r"""
        (train_|total_|global_)?batch_tokens(_start|_end)? train_batch_size_tokens tokens_per_(batch|step)
        total_batch(_size)? train_tokens_per_step""",
    Meaning.TTT_BATCH: r"(\w+_)?(ttt|slot)(_\w+)?_batch(_size|_seqs|_docs|_windows)? (ttt|slot)_bs",
    Meaning.EVAL_BATCH_TOKENS: r"(val|eval)_batch_(size|tokens) validation_batch_size",
    Meaning.EVAL_BATCH: r"""
        (\w+_)?(eval|val|sw|sliding|window|ngram|score)_?(\w+_)?batch(_size|_seqs|_windows)? batch_seqs""",
    Meaning.CALIBRATION_BATCHES: r"""
        (\w+_)?cal(ib(ration)?)?_(batches|samples|seqs|steps|sequences) (n|num)_cal(ib(ration)?)?(_\w+)?
        (gptq|ar|selfgen|self_gen)_(num_|n_)?(seqs|samples|batches)""",
    Meaning.CALIBRATION_LENGTH: r"""
        (\w+_)?cal(ib(ration)?)?_(seq_?)?len(gth)? (gptq|ar|selfgen|self_gen)_(gen_|seq_)?len(gth)?""",
    Meaning.EVAL_SEQUENCE: r"""
        (\w+_)?(eval|val|ttt|sliding|sw|slot)_(max_)?(seq_?len|seqlen|context_len|context|ctx|ctx_len)
        yarn_max_len eval_context_length""",
    Meaning.SEQUENCE: r"""
        (train_|max_|rope_train_|rope_|base_|model_|short_|local_|teacher_)?(max_)?(seq_?len|seqlen|sequence_length|ctx_len)(_start|_end|_hint)?
        context_length block_size seq_curriculum_initial n_ctx seq_len_(min|max|initial)
        (curriculum_)?(short|start|initial)_seq(_len)?""",
    Meaning.STRIDE: r"""
        (?!moe)(\w+_)?(eval|val|sw|sliding|window|ttt|slot|score|swe)_(\w+_)?stride stride val_slide_tokens
        adaptive_stride_(easy|hard)""",
    Meaning.WINDOW: r"""
        (\w+_)?(attn|attention|local|sliding|short|long)_window(_size|_len|_tokens)? window_size
        swa_window(_size)?""",
    Meaning.CHUNK_TOKENS: r"(\w+_)?chunk_tokens (\w+_)?tokens_per_chunk",
    Meaning.CHUNK_SEQUENCES: r"(\w+_)?chunk_(seqs|sequences) (\w+_)?seqs_per_chunk",
    Meaning.CHUNK: r"(\w+_)?(ttt|slot|sw|lora)_(short_)?chunk(_size|_len)? chunk_size ttt_(min|short|mean)_doc_len",
    Meaning.TTT_EPOCHS: r"(\w+_)?ttt(_\w+)?_epochs",
    Meaning.TTT_STEPS: r"""
        (?!\w*ns_steps)(\w+_)?(slot|ttt|etlb|lora_ttt)(_\w+)?_(steps|iters|iter|max_iter|steps_per_chunk) distill_steps
        gptq_refine_steps""",
    Meaning.DOCUMENTS: r"(\w+_)?prefix_docs (\w+_)?(max|num|n)_docs (\w+_)?doc_limit",
    Meaning.TOKEN_LIMIT: r"""
        (\w+_)?(val|eval|roundtrip)_(\w+_)?max_tokens (max_)?val_tokens?(_limit)? val_token_limit max_val_tokens
        (\w+_)?(subset_tokens|token_budget)""",
    Meaning.CACHE_TOKENS: r"(\w+_)?(n?gram|mixer|cache|phrase|ppm|knn|lsh)_(\w+_)?min_tokens",
    Meaning.NUMEL: r"(\w+_)?(max|min)_numel (\w+_)?numel_threshold",
    Meaning.PARAMETERS: r"min_parameters",
    Meaning.BUCKET_BITS: r"(\w+_)?(table|bucket|hash|slot)_?bits (\w+_)?log2?_(buckets|slots)",
    Meaning.EFFORT: r"(brotli|zstd|lzma|compress(ion|or)?)_(quality|level|preset)",
    Meaning.BUCKETS: r"""
        (\w+_)?buckets (bigram|trigram|skipgram|ngram)_(hash_)?(vocab_size|vocab|size|hash_size) hash_embed_size
        (\w+_)?(table|hash)_(size|slots)""",
    Meaning.VOCABULARY: r"(n_|padded_)?vocab(_size)?",
    Meaning.LAYERS: r"(num|n)_layers?",
    Meaning.KV_HEADS: r"(num_|n_)?kv_heads? n_head_kv",
    Meaning.HEADS: r"(num_|n_)(attn_|attention_)?heads?",
    Meaning.HEAD_DIM: r"(d_|attn_)?head_?dim d_head",
    Meaning.ROPE_DIMS: r"_?(partial_)?(rope|rotary)_dims?",
    Meaning.DIM: r"model_dim d_model n_embd n_embed dim embed_size hidden_size",
    Meaning.HIDDEN: r"""
        (mlp|ffn|ff)_(hidden|dim|hidden_dim|size|inner) _?default_mlp_hidden intermediate_size d_ff hidden_dim""",
    Meaning.WIDTH: r"""
        (bigram|trigram|skipgram|hash|ngram)_(hash_)?(embed_|emb_)?dim (ve|value|embedding|embed|emb|factor|inst)_?dim
        (\w+_)?(bottleneck|latent)_dim min_width (tok|tok_emb|geo_embed|num_embed)_dim embed_bottleneck
        (shared|local|global)_dim""",
    Meaning.BATCH_SEQUENCES: r"(train_|micro_|device_|per_device_|mini)?_?batch(_size|_seqs|size)? (micro_)?bs",
    Meaning.ACCUMULATION: r"grad(ient)?_accum(ulation)?(_steps)? accum_steps",
}
"""Patterns of names, several apart from each other by blanks; the first meaning that fits counts."""

_PATTERNS = tuple((meaning, re.compile("|".join(patterns.split()))) for meaning, patterns in _TABLE.items())

_HELPERS_TOO = """
    budget limit warmdown
    steps iters num_steps n_steps warmup batch batch_size bs dim stride window_size chunk_size block_size hidden_dim
    hidden_size n_ctx max_seq_len seq_len head_dim d_head table_size hash_size vocab_size vocab n_vocab num_layers
    n_layers n_layer num_heads n_heads n_head num_kv_heads n_kv_heads kv_heads d_model model_dim max_steps epochs
    n_embd rope_dims rope_dim rotary_dim mlp_hidden mlp_dim d_ff hash_dim embed_dim emb_dim bottleneck_dim value_dim
"""
AMBIGUOUS = frozenset(_HELPERS_TOO.split())
"""Names that parameters of helpers have too (`steps` of Newton-Schulz, `block_size` of a quantiser): they say nothing
outside a place where settings are declared."""


@lru_cache(maxsize=4096)
def _by_name(name: str) -> Meaning | None:
    return next((meaning for meaning, pattern in _PATTERNS if pattern.fullmatch(name)), None)


def meaning_of(name: str, value: Scalar) -> Meaning | None:
    """What the setting `name` with this value means; None where the name is not known or the value is no number.

    The value decides between tokens and sequences: batches and chunks are named alike.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or len(name) > 80:
        return None
    meaning = _by_name(name.lower().lstrip("-").replace("-", "_").removeprefix("cfg_"))
    if meaning is None and value >= _MANY_STEPS and _STEPS_OF.fullmatch(name.lower()):
        return Meaning.STEP  # of a stage, or one at which something happens: both go with the run
    if 0 < value < 1 and meaning not in SECONDS:
        return None  # a share, not a count
    if meaning is Meaning.EVAL_BATCH_TOKENS and 0 < value < _LARGE:
        return Meaning.EVAL_BATCH
    if meaning is Meaning.BATCH_SEQUENCES and value >= _LARGE:
        return Meaning.BATCH_TOKENS
    if meaning is Meaning.BATCH_TOKENS and 0 < value < _LARGE and "token" not in name.lower():
        return Meaning.BATCH_SEQUENCES
    if meaning is Meaning.TTT_BATCH and value >= _LARGE:
        return Meaning.CHUNK_TOKENS
    if meaning is Meaning.CHUNK and value > _LARGE:
        return Meaning.CHUNK_TOKENS
    return meaning
