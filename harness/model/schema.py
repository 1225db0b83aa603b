"""JSON schemas of what leaves the process, generated from the models (`python -m harness.model.schema` writes them)."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from harness.model.facts import FACTS_SCHEMA, Facts
from harness.model.leaderboard import LEADERBOARD_SCHEMA, Leaderboard
from harness.model.review import REVIEW_SCHEMA, Review

MODELS: dict[str, type[BaseModel]] = {FACTS_SCHEMA: Facts, REVIEW_SCHEMA: Review, LEADERBOARD_SCHEMA: Leaderboard}
FOLDER = Path(__file__).parent / "schemas"


def schema_path(name: str) -> Path:
    """File of the schema called `name`, such as `golf.review/1`."""
    return FOLDER / f"{name.replace('/', '.')}.json"


def schema_text(name: str) -> str:
    """The schema as it should stand in its file."""
    schema = MODELS[name].model_json_schema(by_alias=True, mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **schema}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def write_schemas() -> None:
    """Write every schema to its file."""
    FOLDER.mkdir(exist_ok=True)
    for name in MODELS:
        schema_path(name).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
