"""All formats of a review in one place."""

from __future__ import annotations

import zlib

import jsonschema
import pytest
from tests_support.cases import FOLDER, facts_of
from tests_support.reviews import REPOSITORY, one_folder

from harness.model.review import Review
from reports.formats import Format, document, unpacked_paths


@pytest.mark.parametrize(
    ("form", "start"),
    [
        (Format.JSON, '{\n  "schema"'),
        (Format.MARKDOWN, "<!-- golf-review -->"),
        (Format.HTML, "<!doctype html>"),
        (Format.SARIF, '{\n "$schema"'),
    ],
)
def test_documents(form: Format, start: str) -> None:
    """Each format gives its document, that ends with a line end."""
    review, facts = one_folder()
    text = document(form, review, facts, REPOSITORY)
    assert text.lstrip().startswith(start)
    assert text.endswith("\n")


def test_json_is_the_review() -> None:
    """JSON gives the review itself, by its schema."""
    review, facts = one_folder()
    text = document(Format.JSON, review, facts, None)
    assert Review.model_validate_json(text) == review
    jsonschema.validate(review.model_dump(mode="json"), Review.model_json_schema(mode="serialization"))


def test_text_is_for_the_terminal() -> None:
    """The terminal report is no document."""
    review, facts = one_folder()
    with pytest.raises(ValueError, match="TerminalReport"):
        document(Format.TEXT, review, facts, None)


def test_wrapped_scripts() -> None:
    """Scripts inside a wrapper are known by their path in the repository: their lines are of unpacked text."""
    review, facts = one_folder()
    packed = zlib.compress(b"print('1')\n" * 20)
    wrapped = facts_of({"train_gpt.py": f"import zlib\nexec(zlib.decompress({packed!r}))\n"})
    assert unpacked_paths(facts) == frozenset()
    assert unpacked_paths(facts.model_copy(update={"submissions": (wrapped,)})) == {f"{FOLDER}/train_gpt.py"}
    assert review.submissions[0].folder == FOLDER
