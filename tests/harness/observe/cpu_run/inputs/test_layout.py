"""Layouts for settings and programs as the field has them."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from harness.model.base import At, Scalar
from harness.model.inputs import InputSpec, TokenizerKind
from harness.model.launch import LaunchFacts, Setting
from harness.observe.cpu_run.inputs.layout import Layout, lay_out
from harness.observe.cpu_run.inputs.made import VAL, VAL_BYTES, Made, make_inputs, with_validation
from harness.observe.cpu_run.inputs.tokenizers import make_tokenizer

SIZES = InputSpec(val_tokens=600, train_tokens=1_000)
RESERVED = "fineweb10B_sp8192_lossless_caps_caseops_v1_reserved"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all layouts."""
    return tmp_path_factory.mktemp("cache")


def launched(*settings: tuple[str, str | None, Scalar]) -> LaunchFacts:
    """Facts of a launch with settings of these names, variables and values."""
    return LaunchFacts(
        script="train_gpt.py",
        reason="name",
        settings=tuple(
            Setting(name=name, env=env, value=value, declared=At(path="train_gpt.py", line=1))
            for name, env, value in settings
        ),
    )


def laid(cache: Path, *settings: tuple[str, str | None, Scalar], program: str = "", **shipped: bytes) -> Layout:
    """The layout for settings and a program; `shipped` by path with dots written as `__`."""
    files = {path.replace("__", "."): data for path, data in shipped.items()}
    return lay_out(launched(*settings), ast.parse(textwrap.dedent(program)), files, cache, SIZES)


def paths(layout: Layout) -> dict[str, str]:
    """Name in the guest to name in the cache, without its folder."""
    return {file.path: file.source.split("/")[1] for file in layout.files}


def vocabulary(layout: Layout, cache: Path, path: str) -> int:
    """Pieces of the tokenizer that is placed at `path`."""
    source = next(file.source for file in layout.files if file.path == path)
    return len((cache / source).with_suffix(".vocab").read_text(errors="replace").split("\n")) - 1


def test_the_baseline(cache: Path) -> None:
    """Two variables with defaults below `./data`: nothing is moved, everything resolves."""
    layout = laid(
        cache,
        ("data_path", "DATA_PATH", "./data/datasets/fineweb10B_sp1024"),
        ("train_files", None, "./data/datasets/fineweb10B_sp1024/fineweb_train_*.bin"),
        ("val_files", None, "./data/datasets/fineweb10B_sp1024/fineweb_val_*.bin"),
        ("tokenizer_path", "TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model"),
        ("vocab_size", "VOCAB_SIZE", 1024),
    )
    found = paths(layout)
    assert found["data/datasets/fineweb10B_sp1024/fineweb_train_000000.bin"] == "train_000000.bin"
    assert found["data/datasets/fineweb10B_sp1024/fineweb_train_000001.bin"] == "train_000001.bin"
    assert found["data/datasets/fineweb10B_sp1024/fineweb_val_000000.bin"] == VAL
    assert found["data/tokenizers/fineweb_1024_bpe.model"] == "tokenizer.model"
    assert found["data/tokenizers/fineweb_1024_bpe.vocab"] == "tokenizer.vocab"
    assert VAL_BYTES not in found.values()
    assert not layout.environment
    assert not layout.outside
    assert all((cache / file.source).is_file() for file in layout.files)
    assert [facts.spec.vocab_size for facts in layout.made] == [1024]


def test_paths_of_the_authors_machine_are_moved(cache: Path) -> None:
    """A variable that leads elsewhere is set below `./data`, and what is derived from it moves along."""
    layout = laid(
        cache,
        ("data_dir", "DATA_DIR", "/workspace/somewhere/data"),
        ("datasets_dir", None, "/workspace/somewhere/data/datasets/fineweb10B_sp4096"),
        ("val_files", None, "/workspace/somewhere/data/datasets/fineweb10B_sp4096/fineweb_val_*.bin"),
        ("tokenizer_path", "TOKENIZER_PATH", "~/tok/fineweb_4096_bpe.model"),
        ("vocab_size", "VOCAB_SIZE", 4096),
    )
    assert dict(layout.environment) == {"DATA_DIR": "./data", "TOKENIZER_PATH": "./data/fineweb_4096_bpe.model"}
    assert {"data/datasets/fineweb10B_sp4096/fineweb_val_000000.bin", "data/fineweb_4096_bpe.model"} <= set(
        paths(layout)
    )
    assert not layout.outside


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("/mnt/drive/data/datasets/fineweb10B_sp1024/", "./data/datasets/fineweb10B_sp1024/"),
        ("../../../data/datasets/fineweb10B_sp1024", "./data/datasets/fineweb10B_sp1024"),
        ("/dev/shm/fast_copy", "./data/fast_copy"),
        (r"C:\Users\somebody\golf\data\datasets\fineweb10B_sp1024", "./data/datasets/fineweb10B_sp1024"),
        ("/x/export/datasets/datasets/fineweb10B_sp1024", "./data/datasets/datasets/fineweb10B_sp1024"),
    ],
)
def test_where_a_path_is_moved_to(cache: Path, value: str, moved: str) -> None:
    """From `datasets` on, else the last part."""
    layout = laid(cache, ("data_path", "DATA_PATH", value), ("vocab_size", "VOCAB_SIZE", 1024))
    assert dict(layout.environment) == {"DATA_PATH": moved}
    assert f"{moved[2:].rstrip('/')}/fineweb_val_000000.bin" in paths(layout)


def test_a_variable_that_feeds_a_folder_and_a_pattern_in_it_is_the_folder(cache: Path) -> None:
    """Its own text is the folder, in whichever order the settings stand."""
    folder = ("data_path", "DATA_PATH", "/workspace/data/datasets/fineweb10B_sp1024")
    pattern = ("val_files", "DATA_PATH", "/workspace/data/datasets/fineweb10B_sp1024/fineweb_val_*.bin")
    for settings in ((folder, pattern), (pattern, folder)):
        assert dict(laid(cache, *settings).environment) == {"DATA_PATH": "./data/datasets/fineweb10B_sp1024"}


@pytest.mark.parametrize(
    ("program", "given"),
    [
        ("os.environ.setdefault('DATA_PATH', str(ROOT / 'data'))", True),
        ("for k, v in {'DATA_PATH': str(ROOT)}.items():\n    os.environ.setdefault(k, v)", True),
        ("os.environ.get('DATA_PATH', './data')", False),
    ],
)
def test_a_variable_that_the_program_gives_a_default_is_set(cache: Path, program: str, given: bool) -> None:
    """What a program works out for a variable that nobody set leads to a place that is not laid out."""
    path = "./data/datasets/fineweb10B_sp1024"
    layout = laid(cache, ("data_path", "DATA_PATH", path), program=program)
    assert dict(layout.environment) == ({"DATA_PATH": path} if given else {})


def test_a_folder_called_data_may_hold_shards_or_folders_of_them(cache: Path) -> None:
    """A path without a name of its own is given one below which both are found; roots stay roots."""
    layout = laid(cache, ("data_path", "DATA_PATH", "/path/to/data"), ("vocab_size", "VOCAB_SIZE", 1024))
    assert dict(layout.environment) == {"DATA_PATH": "./data/datasets/shards"}
    below = {"fineweb_val_000000.bin", "datasets/fineweb10B_sp1024/fineweb_val_000000.bin"}
    assert {f"data/datasets/shards/{name}" for name in below} <= set(paths(layout))
    assert "data/fineweb_val_000000.bin" not in paths(layout)
    assert dict(laid(cache, ("data_dir", "DATA_DIR", "/path/to/data")).environment) == {"DATA_DIR": "./data"}


def test_a_folder_that_is_named_like_a_shard(cache: Path) -> None:
    """Where names of shards are put behind it, a path that ends in .bin is a folder."""
    folder, program = "/path/to/fineweb_train.bin", 'val_files = os.path.join(data_path, "fineweb_val_*.bin")\n'
    layout = laid(cache, ("data_path", "DATA_PATH", folder), program=program)
    assert dict(layout.environment) == {"DATA_PATH": "./data/datasets/shards"}
    assert "data/datasets/shards/fineweb_val_000000.bin" in {file.path for file in layout.files}
    alone = laid(cache, ("val_files", "VAL_FILES", "/path/to/fineweb_val.bin"))
    assert dict(alone.environment) == {"VAL_FILES": "./data/fineweb_val.bin"}


def test_a_path_that_no_variable_moves_is_named(cache: Path) -> None:
    """It is placed where the submission wants it, and listed as outside."""
    layout = laid(cache, ("data_path", None, "/data/datasets/fineweb10B_sp1024"), ("vocab_size", None, 1024))
    assert layout.outside == ("/data/datasets/fineweb10B_sp1024",)
    assert "/data/datasets/fineweb10B_sp1024/fineweb_val_000000.bin" in paths(layout)


def test_the_vocabulary_in_force_decides_over_names(cache: Path) -> None:
    """Scripts compare vocabulary and tokenizer: a path named for 1024 holds what `VOCAB_SIZE` says."""
    layout = laid(
        cache,
        ("data_path", "DATA_PATH", "./data/datasets/fineweb10B_sp1024"),
        ("tokenizer_path", "TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model"),
        ("vocab_size", "VOCAB_SIZE", "2048"),
    )
    assert vocabulary(layout, cache, "data/tokenizers/fineweb_1024_bpe.model") == 2048
    assert vocabulary(layout, cache, "data/tokenizers/fineweb_2048_bpe.model") == 2048


def test_case_operators(cache: Path) -> None:
    """Named by the data set in force: operators in the tokenizer, a sidecar beside the validation shard."""
    layout = laid(
        cache,
        ("datasets_dir", "DATA_PATH", f"./data/datasets/{RESERVED}"),
        ("val_files", None, f"./data/datasets/{RESERVED}/fineweb_val_[0-9][0-9][0-9][0-9][0-9][0-9].bin"),
        ("vocab_size", "VOCAB_SIZE", 8192),
    )
    found = paths(layout)
    assert found[f"data/datasets/{RESERVED}/fineweb_val_bytes_000000.bin"] == VAL_BYTES
    assert found[f"data/datasets/{RESERVED}/fineweb_val_000000.bin"] == VAL
    assert layout.made[0].spec.tokenizer is TokenizerKind.CASEOPS
    nested = f"data/datasets/fineweb10B_sp8192_caseops/datasets/datasets/{RESERVED}/fineweb_train_000000.bin"
    assert nested in found


def test_case_operators_that_are_off(cache: Path) -> None:
    """A program that could read them but does not gets the plain data set, and a sidecar where it names one."""
    settings: list[tuple[str, str | None, Scalar]] = [
        ("caseops_enabled", "CASEOPS_ENABLED", False),
        ("_default_caseops_data", None, f"./data/datasets/fineweb10B_sp8192_caseops/datasets/datasets/{RESERVED}"),
        ("datasets_dir", "DATA_PATH", "./data/datasets/fineweb10B_sp8192"),
        ("val_files", None, "./data/datasets/fineweb10B_sp8192/fineweb_val_*.bin"),
        ("val_bytes_files", None, "./data/datasets/fineweb10B_sp8192/fineweb_val_bytes_*.bin"),
        ("vocab_size", "VOCAB_SIZE", 8192),
    ]
    off = laid(cache, *settings)
    assert off.made[0].spec.tokenizer is TokenizerKind.BPE
    assert paths(off)["data/datasets/fineweb10B_sp8192/fineweb_val_bytes_000000.bin"] == VAL_BYTES
    on = laid(cache, ("caseops_enabled", "CASEOPS_ENABLED", True), *settings[1:])
    assert on.made[0].spec.tokenizer is TokenizerKind.CASEOPS


def test_the_submissions_own_tokenizer(cache: Path) -> None:
    """It stays where it is shipped, takes every other tokenizer's place, and the streams are made with it."""
    model = make_tokenizer(TokenizerKind.CASEOPS, 8192).model or b""
    layout = laid(
        cache,
        ("tokenizer_path", "TOKENIZER_PATH", f"./data/tokenizers/{RESERVED}.model"),
        ("vocab_size", "VOCAB_SIZE", 8192),
        ("caseops_enabled", "CASEOPS_ENABLED", 1),
        own__model=model,
    )
    source = next(file.source for file in layout.files if file.path == f"data/tokenizers/{RESERVED}.model")
    assert (cache / source).read_bytes() == model
    assert layout.made[0].spec.model_sha256 is not None
    assert "own.model" not in paths(layout)


@pytest.mark.parametrize(
    ("size", "folder"), [(260, "fineweb10B_byte260"), (256, "fineweb_bytes"), ("256", "fineweb10B_bytes")]
)
def test_bytes(cache: Path, size: Scalar, folder: str) -> None:
    """A byte vocabulary has no model, and its description as JSON."""
    layout = laid(cache, ("data_path", "DATA_PATH", f"./data/datasets/{folder}"), ("vocab_size", "VOCAB_SIZE", size))
    assert layout.made[0].spec.tokenizer is TokenizerKind.BYTE
    assert layout.made[0].vocab_size == int(str(size))
    assert f"data/datasets/{folder}/fineweb_val_000000.bin" in paths(layout)
    assert not any(path.endswith(".model") for path in paths(layout))


def test_bytes_beside_a_sentencepiece_model(cache: Path) -> None:
    """A program over bytes may still load the model that it names: that has the size in its name."""
    layout = laid(
        cache,
        ("data_path", "DATA_PATH", "./data/datasets/fineweb10B_bytes"),
        ("tokenizer_path", "TOKENIZER_PATH", "./data/tokenizers/fineweb_512_bpe.model"),
        ("vocab_size", "VOCAB_SIZE", 256),
    )
    assert layout.made[0].spec.tokenizer is TokenizerKind.BYTE
    assert vocabulary(layout, cache, "data/tokenizers/fineweb_512_bpe.model") == 512


def test_variables_left_empty_are_set(cache: Path) -> None:
    """A launch that would search the machine for its data is told where it is; a tokenizer alone stays unset."""
    both = laid(cache, ("data_path", "DATA_PATH", ""), ("tokenizer_path", "TOKENIZER_PATH", ""))
    data, model = "data/datasets/fineweb10B_sp1024", "data/tokenizers/fineweb_1024_bpe.model"
    assert dict(both.environment) == {"DATA_PATH": f"./{data}", "TOKENIZER_PATH": f"./{model}"}
    assert {f"{data}/fineweb_val_000000.bin", model} <= set(paths(both))
    assert not laid(cache, ("tokenizer_path", "TOKENIZER_PATH", "")).environment
    unknown = laid(cache, ("tokenizer_path", "TOKENIZER_PATH", None))
    assert dict(unknown.environment) == {"TOKENIZER_PATH": f"./{model}"}


def test_a_name_with_its_split_to_fill_in(cache: Path) -> None:
    """Both shards that a format can mean, in the data folder and in the data set."""
    found = paths(
        laid(cache, ("vocab_size", "VOCAB_SIZE", 512), program='f"fineweb_{split}_sp512.bin"; f"{a}_{b}.bin"')
    )
    assert found["data/fineweb_train_sp512.bin"] == "train_000000.bin"
    assert found["data/fineweb_val_sp512.bin"] == VAL
    assert len([name for name in found if name.endswith("_sp512.bin")]) == 4


def test_a_pattern_with_its_split_to_fill_in(cache: Path) -> None:
    """A pattern without a folder is looked for in the data folder as well: `DATA_DIR` is joined to it."""
    found = paths(laid(cache, ("data_dir", "DATA_DIR", "data/"), program='glob(f"fineweb_bpe512_{split}_*.bin")'))
    assert found["data/fineweb_bpe512_train_000000.bin"] == "train_000000.bin"
    assert found["data/fineweb_bpe512_val_000000.bin"] == VAL


def test_a_number_behind_a_point_is_no_suffix(cache: Path) -> None:
    """A data set may be named for a version: its shards lie in that folder; files have suffixes of letters."""
    folder = "./data/datasets/fineweb_beta_1.0"
    found = paths(laid(cache, ("data_path", "DATA_PATH", folder), program='open("./data/datasets/notes.txt")'))
    assert found["data/datasets/fineweb_beta_1.0/fineweb_val_000000.bin"] == VAL
    assert not any("notes.txt" in name for name in found)


def test_a_default_that_a_variable_replaces_is_not_placed(cache: Path) -> None:
    """A path outside that the program has as a default, and that a variable moves, is asked for by nobody."""
    path = "../../../data/datasets/fineweb10B_sp1024"
    layout = laid(
        cache, ("data_path", "DATA_PATH", path), program=f"a = {path!r}; b = '../../data/datasets/fineweb10B_sp512'"
    )
    assert layout.outside == ("../../data/datasets/fineweb10B_sp512",)
    assert not any(name.startswith("../../../") for name in paths(layout))


def test_names_that_only_the_program_has(cache: Path) -> None:
    """Constants resolve too, each with the vocabulary that its name says; texts and patterns are no names."""
    layout = laid(
        cache,
        ("vocab_size", "VOCAB_SIZE", 1024),
        program="""
            data = "./data/datasets/fineweb10B_sp512"
            shards = glob("fineweb_val_[0-9][0-9].bin")
            other = load("tokenizers/fineweb_512_bpe.model")
            docs = open("./raw/docs_selected.jsonl")
            print("fineweb data is loaded from datasets/ now")
            name = f"fineweb10B_sp{size}"
        """,
    )
    found = paths(layout)
    assert "data/datasets/fineweb10B_sp512/fineweb_train_000000.bin" in found
    assert vocabulary(layout, cache, "tokenizers/fineweb_512_bpe.model") == 512
    assert found["raw/docs_selected.jsonl"] == "docs_selected.jsonl"
    assert "data/datasets/fineweb10B_sp1024/fineweb_val_00.bin" in found
    assert not any(" " in path or "{" in path for path in found)


def test_without_a_launch_there_are_the_usual_names(cache: Path) -> None:
    """Nothing known: 1,024 pieces under the competition's default names."""
    layout = lay_out(None, None, {}, cache, SIZES)
    assert "data/datasets/fineweb10B_sp1024/fineweb_train_000000.bin" in paths(layout)
    assert not layout.environment


def test_files_of_the_submission_are_never_covered(cache: Path) -> None:
    """What the folder has keeps its name."""
    shipped = {"data/tokenizers/fineweb_1024_bpe.vocab": b"theirs"}
    layout = lay_out(launched(("vocab_size", "VOCAB_SIZE", 1024)), None, shipped, cache, SIZES)
    assert "data/tokenizers/fineweb_1024_bpe.vocab" not in paths(layout)


def test_outputs_are_not_inputs(cache: Path) -> None:
    """Folders that a run writes to are left alone."""
    layout = laid(
        cache, ("artifact_dir", "ARTIFACT_DIR", "/mnt/drive/out/data"), ("log_dir", "LOG_DIR", "/mnt/drive/data/logs")
    )
    assert not layout.environment
    assert not layout.outside


def test_a_probe_takes_the_place_of_the_validation_files(cache: Path) -> None:
    """The same names; only the validation shard and sidecar in force come from another folder."""
    layout = laid(cache, ("vocab_size", "VOCAB_SIZE", 512))
    spec = SIZES.model_copy(update={"vocab_size": 512})
    base: Made = make_inputs(spec, cache)
    probe = with_validation(base, base.stream().replaced(300, 400), cache)
    probed = layout.with_validation(probe)
    changed = {ours.path for ours, theirs in zip(layout.files, probed.files, strict=True) if ours != theirs}
    assert changed == {"data/datasets/fineweb10B_sp512/fineweb_val_000000.bin"}
    assert [file.path for file in probed.files] == [file.path for file in layout.files]
    assert all((cache / file.source).is_file() for file in probed.files)


def test_a_folder_of_data_may_be_the_data_set(cache: Path) -> None:
    """Some programs read what they call `DATA_DIR` as a folder of folders, others as one of shards."""
    found = paths(laid(cache, ("DATA_DIR", None, "/workspace/data_v4096_full"), ("vocab_size", "VOCAB_SIZE", 1024)))
    assert found["/workspace/data_v4096_full/fineweb_val_000000.bin"] == VAL
    assert "/workspace/data_v4096_full/tokenizers/fineweb_1024_bpe.model" in found
    assert "data/fineweb_val_000000.bin" not in paths(laid(cache, ("vocab_size", "VOCAB_SIZE", 1024)))


def test_a_tokenizer_of_its_own_kind_is_the_one_that_is_shipped(cache: Path) -> None:
    """A variable that names a tokenizer nobody can make leads to the only one in the folder, not to one of two."""
    asked = ("tokenizer_path", "TOKENIZER_PATH", "./data/tokenizers/own_bpe_v5.json")
    own = {"tokenizer__json": b"{}", "submission__json": b"{}"}
    assert ("TOKENIZER_PATH", "./tokenizer.json") in laid(cache, asked, **own).environment
    assert not laid(cache, asked, **own, bpe__json=b"{}").environment
    assert not laid(cache, asked, submission__json=b"{}").environment


@pytest.mark.parametrize(
    "program",
    [
        "DATA_DIR = '/workspace/data_v4096_full'",
        "parser.add_argument('--data-dir', type=str, default='/workspace/data_v4096_full')",
    ],
)
def test_a_folder_in_a_constant_with_a_name_for_data(cache: Path, program: str) -> None:
    """A path that only the program names, by a constant or an option that is called as data are."""
    assert paths(laid(cache, program=program))["/workspace/data_v4096_full/fineweb_val_000000.bin"] == VAL
    other = program.replace("DATA", "CHECKPOINT").replace("data-dir", "checkpoint-dir")
    assert not any("data_v4096" in path for path in paths(laid(cache, program=other)))
