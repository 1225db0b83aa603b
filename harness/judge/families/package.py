"""PG0xx: the package, and hygiene of the diff."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from harness.judge.case import Case, DiffCase
from harness.judge.families import running
from harness.judge.rule import DiffRule, SubmissionRule, number
from harness.model.base import snippet
from harness.model.facts import StageStatus
from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength
from harness.model.target import BlobState, Change, ChangeKind, EntryKind, Origin, TargetKind

_RECORDS = "records/"
_HARMLESS = {".gitignore", ".gitattributes"}
_JUNK = re.compile(r"(^|/)(\.DS_Store|Thumbs\.db|__pycache__|wandb|\.ipynb_checkpoints)(/|$)|\.(pyc|bak|swp|orig)$|~$")
_LARGE = 1_000_000
_SHOWN = 8


class HoldsSubmission(DiffRule):
    """The pull request holds a submission.

    What: at least one folder with a script, README, log or submission.json is new or changed.
    Why: a pull request is a submission to the leaderboard; code at the root of the repository cannot be scored.
    Mend: put README.md, submission.json, train_gpt.py and the logs into one new folder under records/track_*/.
    Blind spots: pull requests that on purpose change the competition's own tooling.
    """

    id = "PG001"
    severity = Severity.DEFECT
    violation_class = "missing_files"
    basis = ("folder",)
    remedy = (
        "Add one folder records/track_<track>/<date>_<name>/ with README.md, submission.json, train_gpt.py and logs."
    )

    def check(self, case: DiffCase) -> Iterable[Finding]:
        """One finding."""
        if case.facts.target.kind is TargetKind.FOLDER and any(s.folder.files for s in case.facts.submissions):
            return
        submissions = [s for s in case.facts.submissions if s.folder.origin is not Origin.LOOSE]
        if submissions:
            names = ", ".join(snippet(s.folder.path, 80) for s in submissions[:_SHOWN])
            yield self.ok(case, f"{len(submissions)} submission folder(s): {names}.")
            return
        changes = case.facts.diff.changes if case.facts.diff is not None else ()
        what = f"It changes {len(changes)} other path(s)." if changes else "Its diff is empty."
        yield self.fail(case, f"No submission folder was found. {what}", _paths(changes))


class OnlyItsFolder(DiffRule):
    """The diff touches nothing but the submission's folder.

    What: every changed path lies in a submission folder under records/; .gitignore and .gitattributes are let pass.
    Why: organisers merge folders, and asked again and again for diffs without anything else.
    Mend: `git checkout <base> -- <path>` for every other path, and push again.
    Blind spots: none; the list is complete up to the limit of the diff.
    """

    id = "PG002"
    severity = Severity.DEFECT
    basis = ("folder", "records_only")
    remedy = "Take the other paths out of the pull request."

    def check(self, case: DiffCase) -> Iterable[Finding]:
        """One finding for paths outside all submission folders."""
        diff = case.facts.diff
        if diff is None or not case.facts.submissions:
            return
        if any(s.folder.origin is Origin.LOOSE for s in case.facts.submissions):
            return
        folders = [s.folder.path for s in case.facts.submissions] + [f.path for f in case.facts.repeated]
        outside = [c for c in diff.changes if not any(_inside(c.path, folder) for folder in folders)]
        serious = [c for c in outside if PurePosixPath(c.path).name not in _HARMLESS]
        if not serious:
            yield self.ok(case, f"All {number(len(diff.changes))} changed paths belong to submission folders.")
            return
        more = f" (and {number(diff.omitted)} that were not listed)" if diff.omitted else ""
        yield self.fail(
            case, f"{number(len(serious))} changed path(s) lie outside the submission folder{more}.", _paths(serious)
        )


class OneNewFolder(DiffRule):
    """The pull request adds one submission, and leaves those of others alone.

    What: one new folder; no changed or deleted file in a folder that the base already has.
    Why: records are accepted one by one in the order of their pull requests.
    Mend: open one pull request a submission; base it on the main branch rather than on another submission's branch.
    Blind spots: a folder that was renamed on the way counts as new.
    """

    id = "PG003"
    severity = Severity.DEFECT
    basis = ("folder", "records_only")
    remedy = "Keep one new folder in this pull request and restore the others."

    def check(self, case: DiffCase) -> Iterable[Finding]:
        """Findings for further new folders, repeated folders and touched older ones."""
        if case.facts.target.kind is TargetKind.FOLDER or case.facts.diff is None:
            return
        new = [s.folder for s in case.facts.submissions]
        if len(new) > 1:
            names = ", ".join(snippet(folder.path, 80) for folder in new[:_SHOWN])
            yield self.fail(case, f"{len(new)} submission folders are new or changed: {names}.")
        if case.facts.repeated:
            rows = [
                Evidence(path=f.path, measured={"first_in_pull_request": f.repeats})
                for f in case.facts.repeated[:_SHOWN]
            ]
            count = len(case.facts.repeated)
            yield self.fail(case, f"{count} folder(s) already stand, identical, in earlier pull requests.", rows)
        removed = [c for c in case.facts.diff.changes if c.change is ChangeKind.DELETED and c.path.startswith(_RECORDS)]
        if removed:
            yield self.fail(case, f"{len(removed)} file(s) of existing records are deleted.", _paths(removed))


class RequiredFiles(SubmissionRule):
    """The folder holds README.md, submission.json, a script and logs.

    What: the four kinds of file are there by name or content; an empty file counts as missing.
    Why: without a log no score can be believed, and without a script none can be reproduced.
    Mend: add the named file; logs are the complete output of the runs that the score comes from.
    Blind spots: whether a log is of this script (PG104) and shows the score (PG101).
    """

    id = "PG004"
    severity = Severity.DEFECT
    violation_class = "missing_files"
    basis = ("folder",)
    remedy = "Add the missing file to the folder."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, naming everything that is missing."""
        files = [f for f in case.facts.folder.files if f.size != 0]
        absent = [f.path for f in files if f.state is BlobState.MISSING]
        names = [PurePosixPath(f.path).name.lower() for f in files]
        missing = []
        if not any(name.startswith("readme") for name in names):
            missing.append("README.md")
        if case.track.metadata and not any(re.match(r"sub+mission.*\.json$", name) for name in names):
            missing.append("submission.json")
        if not any(name.endswith((".py", ".ipynb")) for name in names):
            missing.append("train_gpt.py")
        if not any(log.runs for log in case.facts.logs) and not any(path.endswith((".log", ".txt")) for path in absent):
            missing.append("a training log with a score")
        if missing:
            folder = [Evidence(path=".", measured={"files": len(case.facts.folder.files)})]
            yield self.fail(case, f"Missing: {', '.join(missing)}.", folder)
        else:
            yield self.ok(case, "README, submission.json, script and logs are there.")


class MetadataReadable(SubmissionRule):
    """submission.json can be read and says who and what.

    What: it parses as one JSON object; author, name and val_bpb are filled in; repairs that were needed are named.
    Why: the leaderboard is made from it.
    Mend: run `python -m json.tool submission.json`, and replace placeholders by values.
    Blind spots: whether the values are true (PG101 to PG103).
    """

    id = "PG005"
    severity = Severity.DEFECT
    basis = ("folder",)
    remedy = "Make submission.json one valid JSON object in UTF-8 with name, author, github_id and val_bpb."

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for damage and for missing fields."""
        for metadata in case.facts.metadata[:1]:
            where = [Evidence(path=metadata.path, line=1, sha256=metadata.sha256)]
            notes = "; ".join(fact.value for fact in metadata.damage)
            if not metadata.parsed:
                yield self.fail(case, f"{metadata.path} cannot be read: {notes}.", where)
                return
            if metadata.damage:
                yield self.warn(case, f"{metadata.path} was read only after repair: {notes}.", where)
            wanted = {"author": metadata.author or metadata.github_id, "val_bpb": metadata.val_bpb}
            missing = [name for name, fact in wanted.items() if fact is None]
            if missing:
                yield self.fail(case, f"{metadata.path} gives no {', '.join(missing)}.", where)
            elif metadata.name is None:
                yield self.warn(case, f"{metadata.path} gives no name.", where, severity=Severity.ADVICE)
            elif not metadata.damage:
                yield self.ok(case, f"{metadata.path} names author, submission and score.", where)


class ScriptParses(SubmissionRule):
    """The launched script is Python that parses.

    What: the file that is started, unpacked from its wrappers, parses under the grammar of 3.12.
    Why: a script with a syntax error cannot have made the logs.
    Mend: run `python -m py_compile train_gpt.py` with the Python of the competition's image (3.12).
    Blind spots: what only running shows: missing packages, wrong shapes.
    """

    id = "PG006"
    severity = Severity.DEFECT
    violation_class = "import_error"
    basis = ("folder",)
    remedy = "Correct the line that the message names."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the launched script."""
        script = case.script
        if script is None:
            return
        if script.bytes == 0:
            yield self.fail(case, f"{script.path} is empty.", [Evidence(path=script.path, sha256=script.sha256)])
        elif script.opaque is not None:
            where = [Evidence(path=script.path, line=script.opaque.at.line, sha256=script.sha256)]
            yield self.unknown(case, f"The wrapper of {script.path} was not unpacked: {script.opaque.value}.", where)
        elif script.error is not None:
            place = script.error.at
            where = [Evidence(path=script.path, line=place.line, snippet=script.error.text, sha256=script.sha256)]
            yield self.fail(case, f"{script.path} does not parse: {script.error.value}.", where)
        else:
            packed = f", unpacked from {len(script.layers)} wrapper(s)" if script.layers else ""
            yield self.ok(case, f"{script.path} parses under the grammar of Python {script.grammar}{packed}.")


class LocalImports(SubmissionRule):
    """Every module that the script imports is a known package or a file of the folder.

    What: an unguarded import of a name that is no package in use in the field and no file of the folder.
    Why: the script must run inside its folder; a missing helper is the commonest reason that one does not.
    Mend: add the module to the folder (its bytes count as code), or write the package into requirements.txt.
    Blind spots: packages that this harness does not know; hence a question, not an accusation.
    """

    id = "PG007"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "import_error"
    basis = ("folder", "library_imports")
    remedy = "Ship the module in the folder, or name its package in requirements.txt."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all missing modules of the launched script."""
        script = case.script
        if script is None or script.error is not None:
            return
        named = {
            re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("-", "_") for line in case.facts.requirements
        }
        missing = [
            found
            for found in script.imports
            if found.group == "missing" and not found.guarded and found.module.split(".")[0].lower() not in named
        ]
        if missing:
            rows = [Evidence(path=script.path, line=found.line, snippet=found.module) for found in missing[:_SHOWN]]
            names = ", ".join(dict.fromkeys(found.module for found in missing))
            yield self.warn(case, f"{script.path} imports what the folder does not hold: {names}.", rows)


class Location(SubmissionRule):
    """The folder stands where the organisers look: records/track_<track>/<date>_<name>/.

    What: the place and the name of the folder; a date in front of the name.
    Why: tools and people find submissions by their place.
    Mend: `git mv` the folder.
    Blind spots: a plain folder outside a repository is not asked for its place.
    """

    id = "PG008"
    severity = Severity.DEFECT
    basis = ("folder",)
    remedy = "Move the folder to records/track_<track>/<YYYY-MM-DD>_<name>/."
    _place = re.compile(r"records/track_[^/]+/[^/]+")
    _dated = re.compile(r"\d{4}-\d{2}-\d{2}([_-]|$)")

    def check(self, case: Case) -> Iterable[Finding]:
        """A defect for the place, advice for the name."""
        folder = case.facts.folder
        if folder.origin is Origin.LOOSE or (folder.tree is None and "/" not in folder.path):
            return
        where = [Evidence(path=folder.path)]
        if not self._place.fullmatch(folder.path):
            yield self.fail(
                case, f"{snippet(folder.path, 120)} is not a folder of the form records/track_<track>/<name>.", where
            )
        elif case.competition.track(case.track_id) is None:
            yield self.fail(case, f"There is no track {snippet(str(case.track_id), 60)!r}.", where)
        elif not self._dated.match(PurePosixPath(folder.path).name):
            yield self.warn(
                case, "The folder's name does not begin with a date (YYYY-MM-DD).", where, severity=Severity.ADVICE
            )


class PlainFiles(SubmissionRule):
    """The folder holds plain files that belong to it.

    What: symlinks, submodules and special files; leftovers such as .DS_Store; single files above 1 MB.
    Why: nothing of them can be scored; symlinks and submodules point to what the repository does not hold.
    Mend: delete them, or replace a link by the file.
    Blind spots: what a large file is for.
    """

    id = "PG009"
    severity = Severity.ADVICE
    basis = ("folder",)
    remedy = "Remove the files that are not part of the submission."

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for links (a defect) and for junk or large files (advice)."""
        files = case.facts.folder.files
        links = [f for f in files if f.kind in {EntryKind.SYMLINK, EntryKind.GITLINK, EntryKind.SPECIAL}]
        if links:
            rows = [Evidence(path=f.path, measured={"kind": f.kind.value, "target": f.link}) for f in links[:_SHOWN]]
            yield self.fail(
                case, f"{len(links)} path(s) are no plain files and were not followed.", rows, severity=Severity.DEFECT
            )
        junk = [f for f in files if _JUNK.search(f.path)]
        if junk:
            yield self.warn(case, f"{len(junk)} leftover file(s).", [Evidence(path=f.path) for f in junk[:_SHOWN]])
        large = [f for f in files if (f.size or 0) > _LARGE]
        if large:
            rows = [Evidence(path=f.path, measured={"bytes": f.size}) for f in large[:_SHOWN]]
            yield self.warn(case, f"{len(large)} file(s) above 1 MB.", rows)


class EverythingRead(SubmissionRule):
    """Everything in the folder could be read.

    What: blobs that the clone lacks, and files that the limited reader could not finish.
    Why: what was not read was not judged; it must not pass for clean.
    Mend: for missing blobs fetch the repository in full; for a file that breaks the reader, make it smaller or plain.
    Blind spots: artifacts are not parsed at all at this depth.
    """

    id = "PG010"
    severity = Severity.DEFECT
    basis = ("folder",)
    remedy = "Fetch the repository in full, or shorten the file."
    _artifact = re.compile(r"\.(ptz?|hgz|so|zip|zst|npz|npy|lzma|xz|bin|safetensors|png|jpg|pdf)$", re.IGNORECASE)

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for absent blobs and for files that ended the reader."""
        absent = [f for f in case.facts.folder.files if f.state is BlobState.MISSING]
        texts = [f for f in absent if not self._artifact.search(f.path)]
        if texts:
            yield self.unknown(
                case,
                f"{len(texts)} file(s) are absent from this clone.",
                [Evidence(path=f.path) for f in texts[:_SHOWN]],
            )
        if absent and not texts:
            rows = [Evidence(path=f.path) for f in absent[:_SHOWN]]
            yield self.finding(
                case,
                Outcome.INCONCLUSIVE,
                f"{len(absent)} binary file(s) are absent from this clone.",
                rows,
                severity=Severity.ADVICE,
            )
        broken = [f for f in case.facts.unreadable if "reader failed" not in f.reason]
        if broken:
            rows = [Evidence(path=f.path, snippet=snippet(f.reason)) for f in broken[:_SHOWN]]
            yield self.fail(case, f"{len(broken)} file(s) could not be read within the limits.", rows)
        ours = [stage for stage in case.facts.stages if stage.status is StageStatus.ERROR]
        for stage in ours:
            yield self.finding(
                case, Outcome.ERROR, f"The harness failed in stage {stage.name}: {snippet(stage.reason or '')}"
            )


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder + "/") if folder != "." else "/" not in path


def _paths(changes: Iterable[Change]) -> list[Evidence]:
    rows: list[Evidence] = []
    for change in changes:
        if len(rows) >= _SHOWN:
            break
        rows.append(Evidence(path=change.path, measured={"change": change.change.value}))
    return rows


RULES = (
    HoldsSubmission,
    OnlyItsFolder,
    OneNewFolder,
    RequiredFiles,
    MetadataReadable,
    ScriptParses,
    LocalImports,
    Location,
    PlainFiles,
    EverythingRead,
    *running.RULES,
)
