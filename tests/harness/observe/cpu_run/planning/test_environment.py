"""The environment of a run."""

import sys

import pytest

from harness.model.base import At, Scalar
from harness.model.launch import LaunchFacts, Setting, SettingOrigin
from harness.model.source import EnvRead
from harness.observe.cpu_run.planning.environment import (
    as_commanded,
    first_reads,
    launch_environment,
    launcher_environment,
    moved_outputs,
    spelled,
    unusable,
)

_AT = At(path="train.py", line=1)


def _setting(env: str, value: Scalar, default: Scalar, origin: SettingOrigin = SettingOrigin.README) -> Setting:
    return Setting(name=env.lower(), env=env, default=default, value=value, origin=origin, declared=_AT)


def _made(*settings: Setting) -> tuple[dict[str, str], tuple[str, ...]]:
    return launch_environment(LaunchFacts(script="train.py", reason="name", settings=settings), {})


def test_what_the_launch_gives_is_set_and_defaults_are_not() -> None:
    """Flags of README, run script and log are on; the program's own defaults need no variable."""
    given, dropped = _made(
        _setting("TTT_ENABLED", value=True, default=False),
        _setting("SEED", 42, 1337, SettingOrigin.LOG),
        _setting("MATRIX_LR", 0.04, 0.04, SettingOrigin.DEFAULT),
        _setting("LATE", 7, 3, SettingOrigin.DEFAULT),
    )
    assert given == {"TTT_ENABLED": "1", "SEED": "42", "LATE": "7"}
    assert dropped == ()


@pytest.mark.parametrize(
    ("value", "default"), [("$SEED", 1337), ("0.04**", 0.04), ("${X:-8}", "8"), ("fast", 3), ("x" * 3000, "")]
)
def test_prose_is_dropped_and_recorded(value: str, default: Scalar) -> None:
    """A value that cannot be meant is not set, and the plan says so."""
    given, dropped = _made(_setting("THING", value, default))
    assert given == {}
    assert dropped[0].startswith("THING=")


def test_the_machine_and_the_launcher_keep_their_own_variables() -> None:
    """A submission sets neither the search path nor its rank."""
    given, dropped = _made(_setting("PATH", "/x", ""), _setting("WORLD_SIZE", 8, 1), _setting("LD_PRELOAD", "x", ""))
    assert given == {}
    assert len(dropped) == 2


@pytest.mark.parametrize(
    ("value", "default", "cast", "text"),
    [
        (True, "0", "bool", "1"),
        (False, "True", "bool", "False"),
        (True, "no", "bool", "yes"),
        (False, None, None, "0"),
        (600.0, "600", "int", "600"),
        (600.0, 600.0, "float", "600.0"),
        (1e-08, None, None, "1e-08"),
        (3, "3", "int", "3"),
        ("sgd", "adam", None, "sgd"),
        (None, None, None, None),
    ],
)
def test_values_are_spelled_as_the_program_reads_them(
    value: Scalar, default: Scalar, cast: str | None, text: str | None
) -> None:
    """Switches in the words of the default, integers without a point."""
    assert spelled(value, EnvRead(name="X", default=default, has_default=True, cast=cast, line=1)) == text


@pytest.mark.parametrize(("name", "skips"), [
    ("EVAL_ONLY", True), ("TTT_EVAL_ONLY", True), ("QUANTIZE_ONLY", True), ("SKIP_TRAINING", True),
    ("VAL_DOC_PREFIX_ONLY", False), ("FORWARD_ONLY", False), ("SKIP_TTT", False),
])  # fmt: skip
def test_a_run_makes_what_it_evaluates(name: str, skips: bool) -> None:
    """What skips the training is not set for a program that trains; nothing else has been made to begin with."""
    launch = LaunchFacts(script="train.py", reason="name", settings=(_setting(name, "1", "0"),))
    assert launch_environment(launch, {})[0] == {name: "1"}
    environment, dropped = launch_environment(launch, {}, trains=True)
    assert (environment == {}) is skips
    assert any(name in one for one in dropped) is skips


def test_ranks_of_two_processes() -> None:
    """Each process of two knows its rank."""
    second = launcher_environment(2, 1)
    assert (second["RANK"], second["WORLD_SIZE"], second["MASTER_ADDR"]) == ("1", "2", "127.0.0.1")


def test_the_read_that_tells_the_type_counts() -> None:
    """A variable is often asked for before it is read."""
    bare = EnvRead(name="X", line=1)
    typed = EnvRead(name="X", line=2, cast="int")
    assert first_reads([bare, typed])["X"] is typed
    assert unusable("3", 1) is None


@pytest.mark.parametrize(
    ("name", "value", "moved"),
    [
        ("ARTIFACT_DIR", "/mnt/drive/out/final/", "./final"),
        ("LOG_PATH", "/home/somebody/train.log", "./train.log"),
        ("OUTPUT_DIR", "/workspace/out", None),
        ("SAVE_DIR", "/tmp/out", None),
        ("EXPORT_ONLY_CHECKPOINT", "/path/to/model.pt", None),
        ("SAVE_DIR", "/database/out", "./out"),
        ("CHECKPOINT", "logs/model.pt", None),
        ("CACHE_DIR", "/", None),
        ("DATA_PATH", "/mnt/drive/data", None),
    ],
)
def test_outputs_go_where_a_run_can_write(name: str, value: str, moved: str | None) -> None:
    """Folders of the author's machine are moved into the working directory; writable places and inputs are not."""
    found = moved_outputs([_setting(name, value, default="")])
    assert [(one.name, one.value, one.was) for one in found] == ([(name, moved, value)] if moved is not None else [])


def test_a_place_to_fill_in_is_no_value() -> None:
    """What a README leaves to its reader is not set where the program does without it."""
    given, dropped = _made(
        _setting("EXPORT_ONLY_CHECKPOINT", "/path/to/model.pt", default=""),
        _setting("DATA_PATH", "/path/to/data", default="./data"),
    )
    assert given == {"DATA_PATH": "/path/to/data"}
    assert dropped[0].startswith("EXPORT_ONLY_CHECKPOINT=/path/to/model.pt")


def test_a_volume_that_holds_the_interpreter_is_no_place_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python lies below a volume, that folder is as it is on the machine: outputs go to the working directory."""
    setting = _setting("ARTIFACT_DIR", "/data/out/seed42", default="")
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    assert moved_outputs([setting]) == ()
    monkeypatch.setattr(sys, "base_prefix", "/data/python/3.11")
    assert [one.value for one in moved_outputs([setting])] == ["./seed42"]


def test_a_whole_command_outranks_prose() -> None:
    """Where a command names many variables, a README's other words are not this launch; logs and scripts still are."""
    told = [_setting(f"SIZE_{number}", number + 1, default=0) for number in range(9)]
    other = _setting("EXTRA_GATE", value=True, default=False)
    logged = _setting("LOGGED", 3, default=1, origin=SettingOrigin.LOG)
    launch = LaunchFacts(script="train.py", reason="name", settings=(*told, other, logged))
    named = [one.env for one in told if one.env is not None]
    found, dropped = as_commanded(launch, named)
    assert [one.value for one in found.settings] == [*range(1, 10), False, 3]
    assert len(dropped) == 1
    assert dropped[0].startswith("EXTRA_GATE=True")
    assert as_commanded(launch, named[:4]) == (launch, ())


@pytest.mark.parametrize(
    ("value", "default", "given"), [("1", None, "1"), (True, None, "1"), ("1", "1", None), (2048, None, None)]
)
def test_switches_whose_default_is_worked_out_are_set(value: Scalar, default: Scalar, given: str | None) -> None:
    """The launch's own answer counts, not that of one process; sizes follow those of the run."""
    setting = _setting("CACHE_ON", value, default=value, origin=SettingOrigin.DEFAULT)
    read = EnvRead(name="CACHE_ON", default=default, has_default=True, line=3)
    launch = LaunchFacts(script="train.py", reason="name", settings=(setting,))
    assert launch_environment(launch, {"CACHE_ON": read})[0].get("CACHE_ON") == given


def test_a_name_is_no_value() -> None:
    """What a log shows with its values taken out leaves the program's default."""
    given, dropped = _made(_setting("DATA_DIR", "DATA_DIR", default="./data"))
    assert not given
    assert dropped == ("DATA_DIR=DATA_DIR: its own name stands for a value",)
