"""Rules about data: each on a submission that breaks it, and on the legal twin beside it."""

from __future__ import annotations

import pytest
from tests_support.cases import COMPLETE, findings_of
from tests_support.rename import rename_identifiers
from tests_support.repository import LOG, METADATA

from harness.model.findings import Finding, Outcome, Severity, Strength

FAIL, WARN, PASS = Outcome.FAIL, Outcome.WARN, Outcome.PASS
LOADER = "import os\nfiles = os.environ.get('TRAIN_FILES', 'data/fineweb_train_*.bin')\nprint(files)\n"


def found(rule: str, **files: str) -> list[Finding]:
    """Findings of one rule on the complete submission with files replaced (`__` for the dot)."""
    return findings_of({**COMPLETE, **{name.replace("__", "."): text for name, text in files.items()}}, rule)


def test_training_files() -> None:
    """PG501 accuses where the training files in force are validation shards, whatever the code calls them."""
    readme = "# M\n```bash\nTRAIN_FILES=data/fineweb_val_*.bin torchrun --nproc_per_node=8 train_gpt.py\n```\n"
    for script in (LOADER, LOADER.replace("files", "q")):
        (finding,) = found("PG501", train_gpt__py=script, README__md=readme)
        assert (finding.outcome, finding.severity, finding.strength) == (FAIL, Severity.VIOLATION, Strength.DERIVED)
        assert finding.evidence[0].path == "README.md"
    assert not [f for f in found("PG501", train_gpt__py=LOADER) if f.outcome is not PASS]


def test_validation_files_of_evaluation() -> None:
    """PG501 has nothing against a setting for the validation files, nor against an evaluation-only switch."""
    script = (
        LOADER + "v = os.environ.get('VAL_FILES', 'd/fineweb_val_*.bin')\nprint(v, os.environ.get('EVAL_ONLY', '1'))\n"
    )
    assert not [f for f in found("PG501", train_gpt__py=script) if f.outcome is not PASS]


SETTINGS = """
import os

class Settings:
    folder = os.environ.get("DATA_PATH", "./data")
    train_files = os.path.join(folder, "fineweb_train_*.bin")
    val_files = os.path.join(folder, "fineweb_val_*.bin")

print(Settings.train_files, Settings.val_files)
"""


def test_names_of_settings() -> None:
    """PG501 knows training files by what they are called on disk; where a script names no others, it asks."""
    for script in (SETTINGS, rename_identifiers(SETTINGS, 4)):
        (finding,) = found("PG501", train_gpt__py=script)
        assert finding.outcome is PASS
        assert "fineweb_train_*.bin" in finding.message
    (accused,) = found("PG501", train_gpt__py=SETTINGS.replace("fineweb_train", "fineweb_val"))
    (asked,) = found("PG501", train_gpt__py=rename_identifiers(SETTINGS.replace("fineweb_train", "fineweb_val"), 4))
    assert (accused.outcome, asked.outcome, asked.strength) == (FAIL, WARN, Strength.SUSPECTED)
    assert found("PG501", train_gpt__py=SETTINGS.replace("train_files = os.path", "other = str")) == []


def test_linked_shard() -> None:
    """PG501 accuses where a validation shard gets the name of a training shard."""
    link = "ln -s /d/fineweb_val_000000.bin /d/x/fineweb_train_000000.bin\n"
    (finding,) = [f for f in found("PG501", README__md="# M\n" + link) if f.outcome is FAIL]
    assert finding.evidence[0].line == 2


def test_switch() -> None:
    """PG501 only asks about a switch whose name says it."""
    script = "import os\nx = bool(int(os.environ.get('TRAIN_ON_VAL', '1')))\nprint(x)\n"
    (finding,) = [f for f in found("PG501", train_gpt__py=script) if f.outcome is not PASS]
    assert (finding.outcome, finding.strength) == (WARN, Strength.SUSPECTED)


def test_folder_of_validation_data() -> None:
    """PG501 asks about a data folder whose name says that it holds validation data only; eval_only is none."""
    script = "import os\nd = os.environ.get('DATA_PATH', './data/sp1024_valonly')\nprint(d)\n"
    (finding,) = [f for f in found("PG501", train_gpt__py=script) if f.outcome is not PASS]
    assert (finding.outcome, finding.strength) == (WARN, Strength.SUSPECTED)
    assert not [f for f in found("PG501", train_gpt__py=script.replace("valonly", "eval_only")) if f.outcome is WARN]


@pytest.mark.parametrize(
    ("rule", "line", "twin"),
    [
        ("PG502", "Trained entirely on the validation shard.", "Never trained on the validation shard."),
        ("PG503", "The paid prefix stores validation tokens.", "No paid prefix is stored."),
    ],
)
def test_described(rule: str, line: str, twin: str) -> None:
    """PG502 and PG503 ask about what the description says, and believe a denial."""
    (finding,) = found(rule, README__md=f"# M\n{line}\n")
    assert (finding.outcome, finding.severity, finding.strength) == (WARN, Severity.VIOLATION, Strength.SUSPECTED)
    assert found(rule, README__md=f"# M\n{twin}\n") == []


PREPARE = 'import argparse\np = argparse.ArgumentParser()\np.add_argument("--val-docs", type=int, default=10_000)\n'


def split_log(tokens: int, shards: int) -> str:
    """The complete log with the sizes of both splits."""
    return f"train_shards: {shards}\nval_tokens: {tokens}\n" + LOG


def test_split_stated() -> None:
    """PG504 asks where the stated boundary cannot hold the scored tokens, and not where one statement can."""
    short, whole = "made with `val_docs=10000`\n", "run with --val-docs 50000\n"
    (finding,) = found("PG504", README__md="# M\n" + short, train_seed42__log=split_log(47_851_520, 80))
    assert (finding.outcome, finding.violation_class) == (WARN, "val_in_training")
    assert found("PG504", README__md="# M\n" + short + whole, train_seed42__log=split_log(47_851_520, 80)) == []
    assert found("PG504", README__md="# M\n" + short, train_seed42__log=split_log(9_662_464, 80)) == []


def test_split_default() -> None:
    """PG504: a default alone is advice; with more shards than the published export it is a question."""
    few = found("PG504", prepare_data__py=PREPARE, train_seed42__log=split_log(47_851_520, 80))
    many = found("PG504", prepare_data__py=PREPARE, train_seed42__log=split_log(47_851_520, 1499))
    assert [(f.severity, f.violation_class) for f in few] == [(Severity.ADVICE, None)]
    assert [(f.severity, f.violation_class) for f in many] == [(Severity.VIOLATION, "val_in_training")]


MAIN = "import os\nif __name__ == '__main__':\n    go()\n"


@pytest.mark.parametrize(
    ("head", "severity"),
    [
        ("from transformers import AutoModel\ndef go():\n    AutoModel.from_pretrained('x')\n", Severity.VIOLATION),
        ("import urllib.request\ndef go():\n    urllib.request.urlretrieve('http://x')\n", Severity.VIOLATION),
        ("from huggingface_hub import snapshot_download\ndef go():\n    snapshot_download('x')\n", Severity.DEFECT),
        ("import subprocess\ndef go():\n    subprocess.run(['pip', 'install', 'zstandard'])\n", Severity.ADVICE),
    ],
)
def test_network(head: str, severity: Severity) -> None:
    """PG510 tells weights and unknown files, data, and packages apart; it never accuses."""
    (finding,) = found("PG510", train_gpt__py=head + MAIN)
    assert (finding.outcome, finding.severity, finding.strength) == (WARN, severity, Strength.SUSPECTED)


def test_network_not_reached() -> None:
    """PG510 says nothing of what the launch never reaches, of the competition's data script, and of other files."""
    head = "import urllib.request\ndef go():\n    print(1)\ndef fetch():\n    urllib.request.urlopen('http://x')\n"
    assert found("PG510", train_gpt__py=head + MAIN) == []
    data = "import os\ndef go():\n    os.system('python data/cached_challenge_fineweb.py')\n"
    assert found("PG510", train_gpt__py=data + MAIN) == []
    assert found("PG510", setup_data__py="import urllib.request\nurllib.request.urlopen('http://x')\n") == []


def test_metadata_is_read_for_statements() -> None:
    """PG504 reads submission.json too."""
    claimed = METADATA.replace('"date"', '"summary": "train shards from --val-docs=10000", "date"')
    (finding,) = found("PG504", submission__json=claimed, train_seed42__log=split_log(47_851_520, 80))
    assert finding.evidence[0].path == "submission.json"
