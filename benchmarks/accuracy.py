"""Writes docs/accuracy.md: what the rule book finds of pull requests that people have judged.

python benchmarks/accuracy.py SWEEP LABELS [DOCUMENT]

SWEEP is the output folder of `golf sweep`, LABELS a file of JSON lines with `pr`, `source` (who judged), `verdict`
(`violation`, `clean`, anything else is not counted), `class` (the kind of violation) and `evidence`. Why a miss or a
false alarm is one stands in docs/accuracy.toml, written by hand; no rule ever reads it.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
DOCUMENT = DOCS / "accuracy.md"
REASONS = DOCS / "accuracy.toml"
UNEXPLAINED = "*not explained yet*"
KINDS = {
    "adapts before scoring": ("ttt_train_before_score", "pre_quant_ttt", "multi_epoch_ttt_leak", "eval_warmup_on_val"),
    "slot": ("slot", "slot_causal"),
    "mixture": ("ngram_target_in_key", "ngram_unnormalized", "normalization", "future_token_gate"),
    "budget": ("gptq_over_time_budget", "over_time", "over_size"),
    "calibration": ("gptq_calib_on_val",),
    "accounting": ("bpb_byte_count_bug", "subset_scoring"),
    "data": ("val_in_training", "external_download_or_network"),
    "package": ("missing_files", "import_error"),
}
"""Classes that are told apart by detail only: a finding of the same kind counts as found in kind."""
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
SERIOUS = {"adapts before scoring", "slot", "mixture", "calibration", "accounting", "data"}
"""Kinds whose findings on an accepted submission are false alarms; budgets and packages have tolerated deviations."""
STATUSES = ("record", "not_significant", "unverified", "not_better", "non_record")
SIGNIFICANCE = "insufficient_significance"
EXPERIMENT = "PG411"
"""The rule that every review at depth proof asks."""
HEAD = """\
# Accuracy of the rule book

Made with `python benchmarks/accuracy.py SWEEP LABELS`; do not edit. Reasons are written by hand in `accuracy.toml`.

A labelled violation is *found* when a finding (`fail` or `warn`) has its class, found *in kind* when a finding has a
class of its kind, *accused* when such a finding is a `fail` that is proven or derived. Insufficient significance is
read off the record status. A labelled-clean submission is a *false alarm* when a serious finding stands against it:
order of scoring and learning, mixtures, calibration, accounting, data; or when its verdict is `violation`.
"""


@dataclass(frozen=True)
class Label:
    """One judgement by people, with the review beside it."""

    pr: int
    source: str
    verdict: str
    name: str
    evidence: str
    review: dict[str, Any]

    def findings(self) -> Iterator[dict[str, Any]]:
        """Findings that ask or accuse, hygiene included."""
        for group in (self.review["hygiene"], *(s["findings"] for s in self.review["submissions"])):
            yield from (f for f in group if f["violation_class"] and f["outcome"] in {"fail", "warn"})

    @property
    def exact(self) -> bool:
        """Whether the labelled class was found."""
        if self.name == SIGNIFICANCE:
            return bool(self._statuses() & {"not_significant", "not_better"})
        return any(f["violation_class"] == self.name for f in self.findings())

    @property
    def in_kind(self) -> bool:
        """Whether a class of the same kind was found; for significance also a claim without enough runs."""
        if self.name == SIGNIFICANCE:
            lone = any(len(s["runs"]) < 2 for s in self.review["submissions"])
            return self.exact or ("unverified" in self._statuses() and lone)
        return self.exact or any(self._same_kind(f["violation_class"]) for f in self.findings())

    @property
    def accused(self) -> bool:
        """Whether a finding of the kind accuses."""
        return any(
            self._same_kind(f["violation_class"]) and f["outcome"] == "fail" and f["strength"] != "suspected"
            for f in self.findings()
        )

    @property
    def alarms(self) -> list[str]:
        """Serious classes found, and the verdict where it is `violation`."""
        found = {f["violation_class"] for f in self.findings() if KIND_OF.get(f["violation_class"]) in SERIOUS}
        verdict = self.review["compliance"]
        if verdict["verdict"] == "violation":
            found.add(f"verdict violation ({', '.join(verdict['rules'])})")
        return sorted(found)

    def said(self) -> str:
        """What the review says instead."""
        verdict = self.review["compliance"]
        return verdict["verdict"].replace("_", " ") + (
            f" ({', '.join(verdict['rules'][:4])})" if verdict["rules"] else ""
        )

    @property
    def experiments(self) -> bool:
        """Whether the review was made at depth proof."""
        return any(f.get("rule") == EXPERIMENT for s in self.review["submissions"] for f in s["findings"])

    def _statuses(self) -> set[str]:
        return {s["record"]["status"] for s in self.review["submissions"]}

    def _same_kind(self, name: str) -> bool:
        return name == self.name or (KIND_OF.get(name) is not None and KIND_OF.get(name) == KIND_OF.get(self.name))


def read(sweep: Path, labels: Path) -> tuple[list[Label], list[int]]:
    """Labels with their reviews, and the pull requests that the sweep lacks.

    A pull request that one judge calls clean and another a violation is left out of the clean ones.
    """
    rows = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
    verdicts: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        verdicts[row["pr"]].add(row["verdict"])
    found, absent = [], set()
    for row in rows:
        path = sweep / f"{row['pr']}.json"
        if not path.exists():
            absent.add(row["pr"])
        elif row["verdict"] == "violation" or (row["verdict"] == "clean" and "violation" not in verdicts[row["pr"]]):
            review = json.loads(path.read_text(encoding="utf-8"))
            found.append(
                Label(row["pr"], row["source"], row["verdict"], row["class"], row.get("evidence") or "", review)
            )
    return found, sorted(absent)


def reasons() -> dict[tuple[int, str | None], str]:
    """(pull request, class or None for every class) to the reason."""
    if not REASONS.exists():
        return {}
    rows = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("reasons", [])
    return {(row["pr"], row.get("class")): " ".join(row["reason"].split()) for row in rows}


def violations_table(labels: list[Label]) -> str:
    """Counts by source and class."""
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for label in labels:
        cell = cells[label.source, label.name]
        cell.update(n=1, exact=int(label.exact), kind=int(label.in_kind), accused=int(label.accused))
    lines = [
        "| judged by | class | labelled | found | in kind | accused |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {source} | {name} | {cell['n']} | {cell['exact']} | {cell['kind']} | {cell['accused']} |"
            for (source, name), cell in sorted(cells.items())
        ),
    ]
    for source in sorted({source for source, _ in cells}):
        t: Counter[str] = sum((cell for (s, _), cell in cells.items() if s == source), Counter())
        share = 100 * t["kind"] / t["n"]
        lines.append(f"| **{source}** | all | {t['n']} | {t['exact']} | {t['kind']} ({share:.0f} %) | {t['accused']} |")
    return "\n".join(lines)


def clean_table(labels: list[Label]) -> str:
    """Counts of labelled-clean submissions by source."""
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    for label in labels:
        accused = label.review["compliance"]["verdict"] == "violation"
        cells[label.source].update(n=1, alarms=int(bool(label.alarms)), accused=int(accused))
    lines = ["| judged clean by | labelled | false alarms | verdict violation |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {s} | {c['n']} | {c['alarms']} | {c['accused']} |" for s, c in sorted(cells.items())]
    return "\n".join(lines)


def records_table(labels: list[Label]) -> str:
    """Record status, under every policy, of the submissions that the organisers took into their leaderboard."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    rest = []
    for label in labels:
        records = [s["record"] for s in label.review["submissions"]]
        if label.source != "merged_leaderboard" or not records:
            continue
        best = min(records, key=lambda record: STATUSES.index(record["status"]))
        for policy, status in best["by_policy"].items():
            counts[policy][status] += 1
        if best["status"] not in {"record", "non_record"}:
            rest.append(f"{label.pr} ({best['status'].replace('_', ' ')})")
    lines = [f"| policy | {' | '.join(s.replace('_', ' ') for s in STATUSES)} |", "| --- |" + " ---: |" * len(STATUSES)]
    lines += [f"| {p} | {' | '.join(str(c[s]) for s in STATUSES)} |" for p, c in sorted(counts.items())]
    return "\n".join([*lines, "", "No record by the policy in force: " + (", ".join(rest) or "none") + "."])


def listing(rows: list[tuple[int, str, str, str]], known: dict[tuple[int, str | None], str]) -> str:
    """(pull request, class, what people said, what the review says) with the reason for each."""
    lines = ["| pull request | class | judged | review | reason |", "| ---: | --- | --- | --- | --- |"]
    for pr, name, evidence, said in rows:
        reason = known.get((pr, name)) or known.get((pr, None)) or UNEXPLAINED
        lines.append("| " + " | ".join(_cell(text) for text in (str(pr), name, evidence, said, reason)) + " |")
    return "\n".join(lines) if rows else "None."


def document(sweep: Path, labels: Path) -> str:
    """The whole page."""
    found, absent = read(sweep, labels)
    known = reasons()
    violations = [label for label in found if label.verdict == "violation" and label.name != "other"]
    clean = [label for label in found if label.verdict == "clean"]
    missed = sorted({(x.pr, x.name, x.evidence[:120], x.said()) for x in violations if not x.in_kind})
    alarms = sorted({(x.pr, ", ".join(x.alarms), f"clean: {x.evidence[:100]}", x.said()) for x in clean if x.alarms})
    misses, false = listing(missed, known), listing(alarms, known)
    left = misses.count(UNEXPLAINED) + false.count(UNEXPLAINED)
    counts = (
        f"{len(found):,} judgements of {len({x.pr for x in found}):,} pull requests; {len(absent)} labelled pull "
        f"requests are not in the sweep. Of {len(missed) + len(alarms)} misses and false alarms {left} lack a reason.\n"
        f"{len({x.pr for x in found if x.experiments}):,} of them were reviewed at depth proof, where findings on "
        "order and mixtures\nare proven; the others by reading alone, which asks and does not accuse."
    )
    parts = [
        HEAD,
        counts + "\n",
        "## Violations\n",
        violations_table(violations),
        "\n## Clean submissions\n",
        clean_table(clean),
        "\n## Record status of accepted records\n",
        records_table([x for x in found if x.verdict == "clean"]),
        "\n## Misses\n",
        misses,
        "\n## False alarms\n",
        false,
        "",
    ]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4}:
        sys.exit(__doc__)
    target = Path(sys.argv[3]) if len(sys.argv) == 4 else DOCUMENT
    target.write_text(document(Path(sys.argv[1]), Path(sys.argv[2])), encoding="utf-8")
