"""Bundles: one script that is the package's own program, with the preset's numbers."""

import ast
import os
from dataclasses import fields

import pytest

from reference_model.bundle import BundleError, Piece, _unique, bundle, modules, rendered
from reference_model.config import Config
from reference_model.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_becomes_a_script(name: str) -> None:
    """It parses, names nothing that it does not define or import, and imports nothing of the package."""
    text = bundle(PRESETS[name], "A preset.")
    tree = ast.parse(text)
    assert not any(
        "reference_model" in ast.unparse(n) for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))
    )
    names = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assert {"main", "GPT", "Muon", "settings", "learn_stream"} <= names
    assert "from_environment" not in text


def test_settings_are_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rendered function gives the preset, and the environment changes it."""
    scope: dict[str, object] = {"os": os, "Config": Config}
    scope |= {type(part).__name__: type(part) for part in Config().sections()}
    for name, config in PRESETS.items():
        exec(rendered(config), scope)
        made = scope["settings"]()  # type: ignore[operator]  # just defined
        assert made == config, name
    monkeypatch.setenv("MODEL_DIM", "128")
    monkeypatch.setenv("SMEAR", "1")
    changed = scope["settings"]()  # type: ignore[operator]  # as above
    assert (changed.model.model_dim, changed.model.smear) == (128, True)
    assert len(fields(changed)) == len(fields(Config()))


def test_modules_come_after_what_they_import() -> None:
    """Entry last."""
    order = modules("entry")
    assert order[-1] == "entry"
    assert order.index("model.linear") > order.index("quant.grid")


def test_a_name_in_two_modules_is_refused() -> None:
    """One after the other, the second would replace the first in silence."""
    with pytest.raises(BundleError, match=r"x is defined in a\.py and in b\.py"):
        _unique([Piece("a", "", frozenset({"x"}), frozenset()), Piece("b", "", frozenset({"x"}), frozenset())])
