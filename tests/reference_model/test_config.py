"""Configuration: every field answers to one variable, and what no run can be made of is refused."""

from collections import Counter
from dataclasses import fields, replace

import pytest

from reference_model.config import Config, DataConfig, EvalConfig, ModelConfig, QuantConfig, from_environment


def test_field_names_are_unique_over_all_sections() -> None:
    """A variable of the environment names one field."""
    config = Config()
    names = Counter(part.name for section in config.sections() for part in fields(section))
    names.update(["seed", "run_id"])
    assert [name for name, count in names.items() if count > 1] == []


def test_environment_overrides_the_preset() -> None:
    """Numbers, text and switches are taken from the variables of their names; the rest stays."""
    preset = Config(evaluation=EvalConfig(ttt_lr=0.5))
    config = from_environment(preset, {"MODEL_DIM": "64", "SMEAR": "1", "TTT_LR": "0.1", "SEED": "7", "CODEC": "lzma"})
    assert (config.model.model_dim, config.model.smear, config.evaluation.ttt_lr) == (64, True, 0.1)
    assert (config.seed, config.quant.codec, config.model.num_heads) == (7, "lzma", 8)


@pytest.mark.parametrize(("name", "text"), [("MODEL_DIM", "wide"), ("SMEAR", "maybe"), ("CODEC", "rar")])
def test_a_wrong_value_is_refused_by_name(name: str, text: str) -> None:
    """The message names the variable."""
    with pytest.raises(ValueError, match=name):
        from_environment(Config(), {name: text})


@pytest.mark.parametrize(
    "model",
    [
        {"model_dim": 100},
        {"num_kv_heads": 3},
        {"rope_dims": 7},
        {"rope_dims": 128},
        {"loop_start": 4, "loop_end": 2},
        {"skips": "both"},
    ],
)
def test_an_impossible_network_is_refused(model: dict[str, object]) -> None:
    """Sizes that do not divide, and choices that do not exist."""
    with pytest.raises(ValueError, match=r"[A-Z_]+"):
        Config(model=replace(ModelConfig(), **model))  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("way", "variable"),
    [
        ("sliding", "EVAL_STRIDE"),
        ("documents", "EVAL_STRIDE"),
        ("ttt_sgd", "EVAL_STRIDE"),
        ("ttt_documents", "TTT_CHUNK_TOKENS"),
        ("ttt_stream", "TTT_CHUNK_TOKENS"),
    ],
)
def test_a_window_that_cannot_hold_what_it_scores_is_refused(way: str, variable: str) -> None:
    """Tokens beyond a window would be counted as scored at no loss: half the bits a byte, and nobody's."""
    data = DataConfig(train_seq_len=128, train_batch_tokens=128)
    field = variable.lower()
    for wrong in (0, 129):
        with pytest.raises(ValueError, match=f"{variable} is {wrong}; make it 1 to 128"):
            Config(data=data, evaluation=EvalConfig(evaluation=way, **{field: wrong}))  # type: ignore[arg-type]  # by name
    assert Config(data=data, evaluation=EvalConfig(evaluation=way, **{field: 128})).eval_seq_len == 128  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    "quant",
    [
        {"quantizer": "int8", "qat_bits": 6},
        {"quantizer": "mixed", "qat_bits": 6},
        {"quantizer": "gptq", "qat_bits": 6},
        {"quantizer": "int6", "qat_bits": 6, "scale_floor": "legacy"},
    ],
)
def test_training_cannot_round_otherwise_than_the_exporter(quant: dict[str, object]) -> None:
    """A fake quantisation that the artifact does not have is refused."""
    with pytest.raises(ValueError, match="QAT_BITS is 6"):
        Config(quant=QuantConfig(**quant))  # type: ignore[arg-type]  # fields by name
