"""The JSON contract."""

from __future__ import annotations

import json

import jsonschema
import pytest

from harness.judge.judge import judge
from harness.model.facts import Facts
from harness.model.schema import MODELS, schema_path, schema_text
from harness.model.target import Target, TargetKind


@pytest.mark.parametrize("name", MODELS)
def test_files_are_current(name: str) -> None:
    """The schema files are those that the models generate; `make schemas` writes them."""
    assert schema_path(name).read_text(encoding="utf-8") == schema_text(name)


def test_contract_of_a_review() -> None:
    """A review validates against its schema and has the keys that other programs read."""
    facts = Facts(observed_by="0" * 16, target=Target(kind=TargetKind.FOLDER, repository="x"))
    document = json.loads(judge(facts).model_dump_json())
    jsonschema.validate(document, json.loads(schema_text("golf.review/1")))
    assert document["schema"] == "golf.review/1"
    assert set(document["harness"]) == {"version", "observed_by", "ruleset", "as_of", "policy", "depth"}
    assert document["compliance"] == {"verdict": "action_needed", "rules": ["PG001"]}
