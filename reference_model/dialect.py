"""Log lines as the competition's scripts print them, so that every tool that reads theirs reads these."""

from __future__ import annotations

from reference_model.config import Config
from reference_model.evaluation.score import Score
from reference_model.runtime import World
from reference_model.training import Step


def opening(
    config: Config, world: World, parameters: int, train_shards: int, val_pattern: str, val_tokens: int
) -> list[str]:
    """What is known before the first step."""
    model, data, optim, schedule = config.model, config.data, config.optim, config.schedule
    micro = max(1, data.train_batch_tokens // world.size // data.micro_batch_tokens)
    head_lr = 0.0 if model.tie_embeddings else optim.head_lr
    rates = (
        f"tie_embeddings:{model.tie_embeddings} embed_lr:{optim.tied_embed_lr} head_lr:{head_lr} "
        f"matrix_lr:{optim.matrix_lr} scalar_lr:{optim.scalar_lr}"
    )
    amounts = (
        f"train_batch_tokens:{data.train_batch_tokens} train_seq_len:{data.train_seq_len} "
        f"iterations:{schedule.iterations} warmup_steps:{schedule.warmup_steps} "
        f"max_wallclock_seconds:{schedule.max_wallclock_seconds:.3f}"
    )
    return [
        f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={data.tokenizer_path}",
        f"train_loader:dataset:{data.data_path.rstrip('/').rpartition('/')[2]} train_shards:{train_shards}",
        f"val_loader:shards pattern={val_pattern} tokens:{val_tokens - 1}",
        f"model_params:{parameters}",
        f"world_size:{world.size} grad_accum_steps:{micro}",
        f"attention_mode:gqa num_heads:{model.num_heads} num_kv_heads:{model.num_kv_heads}",
        rates,
        amounts,
        f"seed:{config.seed}",
    ]


def step_line(config: Config, step: Step) -> str:
    """After a training step."""
    return f"step:{step.step}/{config.schedule.iterations} train_loss:{step.loss:.4f} {_time(step.step, step.seconds)}"


def is_logged(config: Config, step: int) -> bool:
    """The first ten steps, then every `train_log_every`-th."""
    return step <= 10 or step % config.schedule.train_log_every == 0


def validation_line(config: Config, step: int, seconds: float, score: Score) -> str:
    """After a validation within training."""
    loss = f"val_loss:{score.val_loss:.4f} val_bpb:{score.val_bpb:.4f}"
    return f"step:{step}/{config.schedule.iterations} {loss} {_time(step, seconds)}"


def stopped_line(config: Config, step: int, seconds: float) -> str:
    """When time ran out before the steps did."""
    return f"stopping_early: wallclock_cap train_time:{1000 * seconds:.0f}ms step:{step}/{config.schedule.iterations}"


def memory_line(allocated: int, reserved: int) -> str:
    """Most bytes of a GPU that tensors took, and that were held for them."""
    return f"peak memory allocated: {allocated >> 20} MiB reserved: {reserved >> 20} MiB"


def size_lines(label: str, artifact_bytes: int, code_bytes: int) -> list[str]:
    """Bytes of the artifact, of the code, and of both; `label` names quantiser and codec (`int8+zlib`)."""
    return [
        f"Serialized model {label}: {artifact_bytes} bytes",
        f"Code size: {code_bytes} bytes",
        f"Total submission size {label}: {artifact_bytes + code_bytes} bytes",
    ]


def final_lines(label: str, score: Score, seconds: float) -> list[str]:
    """The score that counts, rounded and exact."""
    return [
        f"final_{label} val_loss:{score.val_loss:.4f} val_bpb:{score.val_bpb:.4f} eval_time:{1000 * seconds:.0f}ms",
        f"final_{label}_exact val_loss:{score.val_loss:.8f} val_bpb:{score.val_bpb:.8f}",
    ]


def _time(step: int, seconds: float) -> str:
    return f"train_time:{1000 * seconds:.0f}ms step_avg:{1000 * seconds / max(step, 1):.2f}ms"
