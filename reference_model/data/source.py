"""What a run reads from disk: tokenizer, validation stream, training shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference_model.config import Config
from reference_model.data.bytes import ByteTable, byte_table
from reference_model.data.loader import TokenStream, TrainLoader
from reference_model.data.shards import read_shard, shards
from reference_model.runtime import World


@dataclass(frozen=True)
class Source:
    """Opened data of one rank."""

    train_paths: list[Path]
    val_pattern: str
    val_tokens: Tensor
    """(tokens,), int64, on the device."""
    table: ByteTable

    def loader(self, config: Config, world: World) -> TrainLoader:
        """Training batches from the first shard on."""
        stream = TokenStream(self.train_paths)
        return TrainLoader(stream, config.data.train_seq_len, world.rank, world.size, world.device)


def opened(config: Config, world: World) -> Source:
    """The data that a configuration names. Raises FileNotFoundError or ValueError, with what to do."""
    import sentencepiece

    tokenizer = Path(config.data.tokenizer_path)
    if not tokenizer.is_file():
        raise FileNotFoundError(f"{tokenizer}: no tokenizer; set TOKENIZER_PATH, or prepare the data first")
    table = byte_table(sentencepiece.SentencePieceProcessor(model_file=str(tokenizer)), config.model.vocab_size)
    pattern = f"{config.data.data_path}/fineweb_val_*.bin"
    tokens = np.concatenate([read_shard(path) for path in shards(pattern)])
    val_tokens = torch.from_numpy(tokens.astype(np.int64)).to(world.device)
    return Source(shards(f"{config.data.data_path}/fineweb_train_*.bin"), pattern, val_tokens, table)
