"""PG5xx: what the model is trained on, where its data comes from, and what a run fetches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import ClassVar

from harness.judge.case import Case
from harness.judge.program import program_actions
from harness.judge.rule import SubmissionRule, at, number
from harness.model.actions import Action, ActionKind
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.launch import Setting, SettingOrigin
from harness.model.logs import LogFacts, RunFacts
from harness.model.statements import Statement, StatementKind

BYTES_PER_DOCUMENT = 3_022
"""Raw bytes of an average validation document: 151.08 million over 50,000. No token stands for less than one byte."""
SLACK = 1.25
"""How much longer than average the first documents of the set may be."""
PUBLISHED_SHARDS = 80
"""Training shards of the published exports; more of them were prepared by the author."""
_SHOWN = 6
_SHARD = re.compile(r"(?:^|[_\-./])(?:train|val(?:id|idation)?)[_\-.*][^/]*\.bin$", re.IGNORECASE)


class TrainingShards(SubmissionRule):
    """Training reads training shards.

    What: settings that name files of shards, and commands that give a validation shard the name of a training shard. A
    setting is taken as it is in force at launch. Where all files that settings name are validation shards, and none is
    called the training files, that is asked about.
    Why: the organisers closed submissions trained on the validation set (val-only training).
    Mend: point the training files at fineweb_train_*.bin, and rerun.
    Blind spots: a folder whose files were renamed elsewhere; a switch that adds validation shards is only asked about.
    """

    id = "PG501"
    severity = Severity.VIOLATION
    violation_class = "val_in_training"
    basis = ("val_in_training",)
    remedy = "Train on the training shards only, and rerun."
    _folder = re.compile(r"(?<![a-z])val[-_]?only", re.I)
    _switch = re.compile(r"train_?(?:on|with|include|and)_?val|(?:^|_)val_?only|include_?val_?in_?train", re.I)

    def check(self, case: Case) -> Iterable[Finding]:
        """Failures for files that are validation shards, questions for switches that say so."""
        found = False
        for setting in case.facts.launch.settings if case.facts.launch is not None else ():
            name = (setting.env or setting.name).lower()
            if "train" in name and isinstance(setting.value, str) and _is_validation(setting.value):
                found = True
                message = f"The training files are validation shards: {setting.name} is {setting.value!r}."
                yield self.fail(case, message, [_place(setting)])
            elif setting.value is True and self._switch.search(name):
                found = True
                message = f"{setting.env or setting.name} is on at launch: by its name it trains on validation data."
                yield self.warn(case, message, [_place(setting)], strength=Strength.SUSPECTED)
            elif isinstance(setting.value, str) and "/" in setting.value and self._folder.search(setting.value):
                found = True
                message = f"{setting.name} names a folder of validation data only: {setting.value!r}."
                yield self.warn(case, message, [_place(setting)], strength=Strength.SUSPECTED)
        links = _statements(case, StatementKind.LINKS_VALIDATION)
        if links:
            message = f"{links[0].at.path} gives a validation shard the name of a training shard."
            yield self.fail(case, message, [at(link.at, link.text) for link in links[:_SHOWN]])
        if found or links:
            return
        training = [setting for setting in _shards(case) if not _is_validation(str(setting.value))]
        if training:
            yield self.ok(case, f"The training files are {training[0].value!r}.", [_place(training[0])])
        elif len(only := _shards(case)) > 1:
            message = f"All {len(only)} settings that name files of shards name validation shards."
            rows = [_place(setting) for setting in only[:_SHOWN]]
            yield self.warn(case, message, rows, strength=Strength.SUSPECTED)


class _Said(SubmissionRule):
    """What the description itself says of validation data. Sub-classes name the kind of sentence."""

    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "val_in_training"
    kind: StatementKind
    message: str

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all such sentences."""
        said = _statements(case, self.kind)
        if said:
            rows = [at(one.at, one.text) for one in said[:_SHOWN]]
            yield self.warn(case, f"{self.message} ({len(said)} place(s)).", rows)


class DescribedTraining(_Said):
    """The description does not say that validation data is trained on.

    What: sentences of README and submission.json that say "val-only training" or "trained on the validation set",
    without a denial and without words of test-time adaptation in the sentence.
    Why: the organisers closed submissions trained on the validation set, whatever the code's defaults are.
    Mend: train on the training shards; or, if the sentence speaks of something else, say so in it.
    Blind spots: words only; what the program does with validation tokens is asked by PG4xx.
    """

    id = "PG502"
    basis = ("val_in_training",)
    remedy = "Train on the training shards only, and describe the run that is scored."

    kind = StatementKind.TRAINS_ON_VALIDATION
    message = "The description says that validation data is trained on"


class NoPaidPrefix(_Said):
    """The artifact holds no validation tokens.

    What: sentences of README and submission.json that speak of validation tokens stored in the artifact ("paid
    prefix"), without a denial.
    Why: ruled invalid: one trains, and packs, as if there were no access to the validation set.
    Mend: remove the stored tokens, and score every position with the model.
    Blind spots: words only; that the artifact does not depend on the validation set is shown by running it.
    """

    id = "PG503"
    basis = ("paid_prefix",)
    remedy = "Remove everything that was made from validation tokens from the artifact."

    kind = StatementKind.PAID_PREFIX
    message = "Validation tokens are part of the artifact, it is said"


class SplitsMeet(SubmissionRule):
    """Training shards begin where the scored validation documents end.

    What: the number of validation documents at which the data preparation splits (stated in a command or sentence, or
    the default of a preparation script where the log shows more training shards than the published export has),
    against the tokens that the logs score. N documents hold at most N times 3,022 bytes, and a token at least one.
    Why: data split at 10,000 documents and scored on all 50,000 trains on four fifths of the validation set.
    Mend: prepare both splits with one boundary (--val-docs=50000), and rerun.
    Blind spots: which preparation made the shards of the run is the author's word; hence a question.
    """

    id = "PG504"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "val_in_training"
    basis = ("split_overlap",)
    remedy = "Prepare training and validation shards with the same boundary of 50,000 documents, and rerun."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where a boundary and the scored tokens contradict each other."""
        scored = max(
            ((run.val_tokens.value, log, run) for log, run in _runs(case) if run.val_tokens), default=None, key=_first
        )
        if scored is None:
            return
        tokens, log, run = scored
        stated = _statements(case, StatementKind.SPLIT_STATED)
        defaults = _statements(case, StatementKind.SPLIT_DEFAULT)
        if any(_holds(one, tokens) for one in stated):
            return
        line = run.val_tokens.at.line if run.val_tokens is not None else None
        row = Evidence(path=log.path, line=line, sha256=log.sha256, measured={"val_tokens": tokens})
        if stated:
            yield self._overlap(case, stated, tokens, row)
        elif defaults and not any(_holds(one, tokens) for one in defaults):
            shards = run.train_shards
            if shards is not None and shards.value > PUBLISHED_SHARDS:
                extra = at(shards.at, shards.text, train_shards=shards.value)
                yield self._overlap(case, defaults, tokens, row, extra)
            else:
                message = (
                    f"The preparation script splits after {number(defaults[0].value or 0)} documents by default, which "
                    f"do not hold the {number(tokens)} tokens scored: data rebuilt with it overlaps with validation."
                )
                rows = [at(defaults[0].at, defaults[0].text, documents=defaults[0].value), row]
                yield self.warn(case, message, rows, severity=Severity.ADVICE, violation_class=None)

    def _overlap(self, case: Case, said: list[Statement], tokens: int, *rows: Evidence) -> Finding:
        documents = max(one.value or 0 for one in said)
        message = (
            f"The data is said to be split after {number(documents)} documents; {number(tokens)} tokens are scored: "
            f"{number(tokens // int(documents or 1))} a document, where one has {number(BYTES_PER_DOCUMENT)} bytes. "
            "Documents between the two boundaries may be in both splits."
        )
        return self.warn(case, message, [*(at(one.at, one.text, documents=one.value) for one in said[:_SHOWN]), *rows])


class NoNetwork(SubmissionRule):
    """The launched program fetches nothing.

    What: downloads and installations that the launched script and the files it imports reach under the launch: HTTP,
    Hugging Face, git, pip. The competition's own data script is no finding.
    Why: no external downloads and no network during evaluation; what a run fetches is outside the 16 MB.
    Mend: fetch data and packages before the run, in a setup script or requirements.txt; ship everything else.
    Blind spots: addresses put together at run time are not shown; which file a download brings is not known.
    """

    id = "PG510"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "external_download_or_network"
    basis = ("no_network", "library_imports")
    remedy = "Fetch before the run, or ship the file in the folder."
    _packages: ClassVar[frozenset[str]] = frozenset({"kernels.get_kernel"})
    _installers = re.compile(r"get-pip|pypa\.io|pytorch\.org/whl|files\.pythonhosted")
    _data = re.compile(r"load_dataset|snapshot_download|hf_hub_download|git clone|\bparameter-golf\b")

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a kind: weights and unknown files, data, packages."""
        actions = [action for action in program_actions(case) if action.live]
        fetched = [a for a in actions if a.kind is ActionKind.DOWNLOAD]
        packages = [a for a in fetched if a.what in self._packages] + [
            a for a in actions if a.kind is ActionKind.INSTALL
        ]
        data = [a for a in fetched if a not in packages and self._data.search(f"{a.what} {a.argument}")]
        other = [a for a in fetched if a not in packages and a not in data]
        launched = [a for a in other if not a.lazy or a.at.path == (case.script.path if case.script else None)]
        if launched:
            yield self.warn(case, f"The program fetches from outside: {_named(launched)}.", _rows(launched))
        elif other:
            message = f"A module of the program can fetch from outside: {_named(other)}."
            yield self.warn(case, message, _rows(other), severity=Severity.ADVICE)
        if data:
            message = f"The program fetches data by itself: {_named(data)}."
            yield self.warn(case, message, _rows(data), severity=Severity.DEFECT)
        if packages:
            message = f"The program fetches packages when it starts: {_named(packages)}."
            yield self.warn(case, message, _rows(packages), severity=Severity.ADVICE)


def _is_validation(value: str) -> bool:
    """Whether a path or pattern names validation shards only."""
    name = PurePosixPath(value).name.lower()
    return bool(re.search(r"(?:^|[_\-.])val(?:id|idation)?(?:$|[_\-.*])", name)) and "train" not in name


def _place(setting: Setting) -> Evidence:
    source = setting.sources[-1] if setting.sources and setting.origin is not SettingOrigin.DEFAULT else None
    return at(source.at if source is not None else setting.declared, None, **{setting.name: setting.value})


def _shards(case: Case) -> list[Setting]:
    """Settings whose value names files of shards, by the names of the competition's exports."""
    settings = case.facts.launch.settings if case.facts.launch is not None else ()
    named = [setting for setting in settings if isinstance(setting.value, str) and _SHARD.search(setting.value)]
    return sorted(named, key=lambda setting: "train" not in setting.name.lower())


def _statements(case: Case, kind: StatementKind) -> list[Statement]:
    return [one for one in case.facts.statements if one.kind is kind]


def _runs(case: Case) -> Iterator[tuple[LogFacts, RunFacts]]:
    """Runs that stand as evidence; every logged run where none does."""
    if case.runs:
        yield from ((run.log, run.run) for run in case.runs)
    else:
        yield from ((log, run) for log in case.logs for run in log.runs)


def _first(row: tuple[int, LogFacts, RunFacts]) -> int:
    return row[0]


def _holds(boundary: Statement, tokens: int) -> bool:
    """Whether that many documents can hold so many tokens."""
    return (boundary.value or 0) * BYTES_PER_DOCUMENT * SLACK >= tokens


def _named(actions: list[Action]) -> str:
    return ", ".join(dict.fromkeys(f"{action.what}" for action in actions))


def _rows(actions: list[Action]) -> list[Evidence]:
    return [at(a.at, a.argument, action=a.what, guarded=a.guarded) for a in actions[:_SHOWN]]


RULES = (TrainingShards, DescribedTraining, NoPaidPrefix, SplitsMeet, NoNetwork)
