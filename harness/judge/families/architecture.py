"""PG1xx, the model: sizes and techniques that the description claims, the log prints and the code has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from harness.judge.case import Case
from harness.judge.program import program_paths, techniques
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model.actions import Technique
from harness.model.base import Fact
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.launch import Setting
from harness.model.logs import LogFacts
from harness.model.statements import StatementKind


class SizesDeclared(SubmissionRule):
    """Layers, width, sequence length and parameters are those of the logged run.

    What: sizes stated in submission.json and README against the settings and the parameter count that the logs print.
    Why: a README that describes another model than the one scored misleads everyone who builds on it.
    Mend: describe the run whose log is committed, or commit the log of the run described.
    Blind spots: prose is only read for numbers; a sentence about an ablation looks like a claim.
    """

    id = "PG105"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Bring description and log to the same run."
    _spelled: ClassVar[dict[str, str]] = {"layers": "num_layers", "seq_len": "train_seq_len"}

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for declared sizes that the log contradicts."""
        for fact in case.metadata.declared if case.metadata else ():
            if fact.text is not None:
                yield from self._compare(case, fact.text, fact)
        title = [
            m for readme in case.facts.readmes[:1] for m in readme.mentions if readme.title and m.at == readme.title.at
        ]
        for mention in title:
            name = self._spelled.get(mention.kind)
            if name is not None:
                yield from self._compare(case, name, Fact(value=mention.value, at=mention.at, text=mention.text))

    def _compare(self, case: Case, name: str, declared: Fact[float]) -> Iterable[Finding]:
        logged = list(self._logged(case, name))
        if not logged or any(abs(value - declared.value) <= 0.005 * abs(value) for _, value, _ in logged):
            return
        log, value, line = logged[0]
        rows = [
            at(declared.at, declared.text, **{name: declared.value}),
            Evidence(path=log.path, line=line, sha256=log.sha256, measured={name: value}),
        ]
        yield self.warn(
            case, f"{name} is {number(declared.value)} by {declared.at.path}, {number(value)} in the log.", rows
        )

    def _logged(self, case: Case, name: str) -> Iterable[tuple[LogFacts, float, int]]:
        if name == "params":
            for log in case.logs:
                for run in log.runs:
                    if run.model_params is not None:
                        yield log, run.model_params.value, run.model_params.at.line or 0
            return
        for log, text, line in case.logged(name):
            try:
                yield log, float(text), line
            except ValueError:
                continue


class ParametersDerived(SubmissionRule):
    """The parameter count in the log follows from the submitted code.

    What: parameters counted by evaluating the model's constructors under the launch settings, against model_params of
    the log. Only an exact derivation counts.
    Why: a different count means that another model was trained than the one submitted.
    Mend: commit the script and the settings of the run in the log.
    Blind spots: settings that only the author's shell knew; hence a question, not an accusation.
    """

    id = "PG106"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Commit the script of the logged run, and its settings in the README or a run script."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, where both counts are there."""
        counts = [run.model_params for log in case.logs for run in log.runs if run.model_params is not None]
        model = next((m for m in case.facts.models if m.exact and m.total), None)
        if model is None or model.total is None or not counts:
            return
        rows = [at(model.at, model.class_name, derived=model.total), *(shown(c, "model_params") for c in counts[:4])]
        if any(count.value == model.total for count in counts):
            yield self.ok(case, f"The code has the {number(model.total)} parameters that the log prints.", rows)
        else:
            message = (
                f"The code has {number(model.total)} parameters under its launch settings, "
                f"the log prints {number(counts[0].value)}."
            )
            yield self.warn(case, message, rows)


class SettingsInForce(SubmissionRule):
    """Layers and sequence length of the title are those of the launch.

    What: sizes stated in the title of the README or in submission.json against the settings in force at launch, where
    no log prints the setting. Asked only where the parameters that the log prints are those of the code under these
    settings, so that the settings are known to be the run's.
    Why: the description then speaks of another model than the one that was scored.
    Mend: describe the run that is scored, or submit the run that is described.
    Blind spots: sizes that the title does not state; settings under other names than num_layers and train_seq_len.
    """

    id = "PG110"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Bring description, settings and log to the same run."

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for stated sizes that the settings contradict."""
        counts = {run.model_params.value for log in case.logs for run in log.runs if run.model_params is not None}
        confirmed = any(model.exact and model.total in counts for model in case.facts.models)
        if not confirmed:
            return
        for name, declared in _declared(case):
            setting = case.setting(name)
            if name not in _SHAPING or setting is None or not isinstance(setting.value, int) or list(case.logged(name)):
                continue
            if declared.value != setting.value and declared.value > 1:
                rows = [at(declared.at, declared.text, **{name: declared.value}), _in_force(setting)]
                message = (
                    f"{name} is {number(declared.value)} by {declared.at.path}, {number(setting.value)} at launch."
                )
                yield self.warn(case, message, rows)


class TechniquesHeld(SubmissionRule):
    """The code has the techniques that title and headings name.

    What: an average of weights (EMA, SWA) or training under quantisation (QAT) in the README's title and headings or in
    submission.json's name, against the structure of the program: an average over states of parameters; rounding with
    a gradient passed straight through. Names in the code do not matter.
    Why: readers build on what the title says.
    Mend: name what the scored run does.
    Blind spots: a technique that is there and switched off; structures of a kind not known here; hence a question.
    """

    id = "PG111"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Name the techniques of the scored run only."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a technique that is named."""
        paths = program_paths(case)
        scripts = [script for script in case.facts.scripts if script.path in paths]
        if not scripts or any(one.opaque is not None or one.error is not None for one in scripts):
            return
        if not any(framework == "torch" for script in scripts for framework in script.frameworks):
            return
        for technique, words in _WORDS.items():
            named = _named(case, technique)
            if not named:
                continue
            places = techniques(case, technique)
            if places:
                yield self.ok(case, f"The code has {words}.", [at(place.at) for place in places[:2]])
            else:
                message = f"The description names {words}, and no code of the program has the structure of it."
                yield self.warn(case, message, [at(title.at, title.value) for title in named[:4]])


class TechniquesShown(SubmissionRule):
    """The logs show the techniques that title and headings name.

    What: an average of weights that the description names; the lines that the code prints in the blocks which average
    or load the average; the logs that hold training and score, nothing of them cut out. Asked only where no log holds
    such a line although one holds what the same function prints just before and just after, and where every average of
    the program prints a line.
    Why: a condition may keep the code from running (a window that training never reaches, too few checkpoints): then
    the score is that of other weights than the description says.
    Mend: describe the run whose log is committed, or repair the condition and run again.
    Blind spots: averages that print nothing; logs of another version of the script, or filtered by hand.
    """

    id = "PG116"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Name the techniques that took effect in the logged run only."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a technique that is named and announced."""
        launch = case.facts.launch
        if launch is None or not launch.complete:  # what runs under which settings is then not known
            return
        paths = program_paths(case)
        for technique, words in _WORDS.items():
            named = _named(case, technique)
            places = [one for one in case.facts.announcements if one.technique is technique and one.at.path in paths]
            if not named or not places or not all(place.lines for place in places):
                continue
            shown = [where for place in places for where in place.shown]
            passed = [fact for place in places for fact in place.passed]
            if shown:
                yield self.ok(case, f"The log shows {words}.", [at(where) for where in shown[:4]])
            elif passed:
                lines = {line.at.line: line for place in places for line in place.lines}
                said = ", ".join(repr(line.value) for line in list(lines.values())[:3])
                message = (
                    f"The description names {words}; the code prints {said} where it applies one, and no log holds "
                    "that line: it shows what is printed before and after."
                )
                rows = [at(one.at, one.value, role="names it") for one in named[:2]]
                rows += [at(place.at, role="averages") for place in places[:2]]
                rows += [at(line.at, line.value, role="prints") for line in list(lines.values())[:3]]
                rows += [at(fact.at, fact.value, role="shown around it") for fact in passed[:4]]
                yield self.warn(case, message, rows)


_WORDS = {Technique.AVERAGE: "an average of weights", Technique.FAKE_QUANTISATION: "training under quantisation"}
_TITLED = {
    Technique.AVERAGE: re.compile(r"(?<![A-Za-z])(?:EMA|SWA)(?![a-z])"),
    Technique.FAKE_QUANTISATION: re.compile(r"(?<![A-Za-z])QAT(?![a-z])"),
}
_HEADED = {
    Technique.AVERAGE: StatementKind.NAMES_AVERAGE,
    Technique.FAKE_QUANTISATION: StatementKind.NAMES_QUANTISED_TRAINING,
}
_DENIED = re.compile(
    r"\b(?:no|non|without|not|vs\.?|instead|drop(?:ped)?|remov\w+|minus)\W{0,3}(?:EMA|SWA|QAT)"
    r"|SWA\W?\d{3}",  # with a width it is sliding-window attention
    re.I,
)


def _named(case: Case, technique: Technique) -> list[Fact[str]]:
    """Titles and headings that name a technique."""
    found = [title for title in _titles(case) if _TITLED[technique].search(title.value)]
    found += [Fact(value=s.text, at=s.at) for s in case.facts.statements if s.kind is _HEADED[technique]]
    return [fact for fact in found if not _DENIED.search(fact.value)]


_SHAPING = frozenset({"num_layers", "train_seq_len", "model_dim", "num_heads", "num_kv_heads", "vocab_size"})


def _declared(case: Case) -> Iterator[tuple[str, Fact[float]]]:
    for fact in case.metadata.declared if case.metadata else ():
        if fact.text is not None:
            yield fact.text, fact
    for readme in case.facts.readmes[:1]:
        for mention in readme.mentions:
            name = SizesDeclared._spelled.get(mention.kind)
            if name is not None and readme.title is not None and mention.at == readme.title.at:
                yield name, Fact(value=mention.value, at=mention.at, text=mention.text)


def _in_force(setting: Setting) -> Evidence:
    place = setting.sources[-1].at if setting.sources else setting.declared
    return at(place, None, **{setting.name: setting.value, "origin": setting.origin.value})


def _titles(case: Case) -> Iterator[Fact[str]]:
    for readme in case.facts.readmes[:1]:
        if readme.title is not None:
            yield readme.title
    if case.metadata is not None and case.metadata.name is not None:
        yield case.metadata.name


RULES = (SizesDeclared, ParametersDerived, SettingsInForce, TechniquesHeld, TechniquesShown)
