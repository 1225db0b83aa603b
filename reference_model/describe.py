"""What a configuration is, in words: for READMEs and for `blurb` of submission.json."""

from __future__ import annotations

from reference_model.config import Config


def techniques(config: Config) -> list[str]:
    """One phrase for each part that differs from the plainest one."""
    return [*_network(config), *_training(config), *_bytes(config), _evaluation(config)]


def _network(config: Config) -> list[str]:
    model = config.model
    sizes = (
        f"{model.num_layers} layers, width {model.model_dim}, {model.num_heads} query and {model.num_kv_heads} "
        f"key/value heads, MLP {model.mlp_mult}x {model.activation}, vocabulary {model.vocab_size}"
    )
    named = {
        f"XSA in the last {model.xsa_last_n} layers": model.xsa_last_n,
        f"rotary positions in {model.rope_dims} dimensions of a head": model.rope_dims,
        f"attention window of {model.attention_window} tokens": model.attention_window,
        "value residual": model.value_residual,
        f"value embeddings in the last {model.value_embed_layers} layers": model.value_embed_layers,
        "LN scale": model.ln_scale,
        f"{model.skips} U-Net skips": model.skips != "off",
        f"layers {model.loop_start} to {model.loop_end - 1} visited {model.loop_visits} times": model.loop_visits > 1,
        f"parallel residuals from layer {model.parallel_from}": model.parallel_from >= 0,
        "SmearGate": model.smear,
        f"BigramHash {model.bigram_buckets}x{model.bigram_dim}": model.bigram_buckets,
        "orthogonal init": model.ortho_init,
    }
    return [sizes, *(words for words, there in named.items() if there)]


def _training(config: Config) -> list[str]:
    data, optim, quant = config.data, config.optim, config.quant
    batch = f"sequences of {data.train_seq_len}, {data.train_batch_tokens:,} tokens a step"
    found = [f"{optim.matrix_optimizer} at {optim.matrix_lr} for matrices", batch]
    if config.averaging.averaging == "ema":
        found.append(f"EMA {config.averaging.ema_decay}")
    if config.averaging.averaging == "swa":
        found.append(f"SWA of {config.averaging.swa_snapshots} snapshots")
    if quant.qat_bits:
        found.append(f"late QAT int{quant.qat_bits}")
    return found


def _bytes(config: Config) -> list[str]:
    return [f"{config.quant.quantizer} + {config.quant.codec}"]


def _evaluation(config: Config) -> str:
    evaluation = config.evaluation
    return {
        "plain": "scored in windows side by side",
        "sliding": f"scored in sliding windows, stride {evaluation.eval_stride}",
        "documents": "scored within documents",
        "ttt_documents": f"score-first LoRA TTT, rank {evaluation.ttt_lora_rank}, a document at a time",
        "ttt_stream": f"score-first LoRA TTT, rank {evaluation.ttt_lora_rank}, with the stream as context",
        "rehearsed_documents": f"LoRA TTT of {evaluation.ttt_epochs} passes over a document of which only the last is "
        "scored, which is against the rules",
        "ttt_sgd": f"score-first SGD TTT of all weights, {evaluation.ttt_epochs} "
        f"{'pass' if evaluation.ttt_epochs == 1 else 'passes'} over chunks of "
        f"{evaluation.ttt_chunk_tokens:,} tokens"
        + (f", hash embedding of {evaluation.ttt_hash_buckets:,} rows" if evaluation.ttt_hash_buckets else ""),
    }[evaluation.evaluation]
