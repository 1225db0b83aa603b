"""`golf`: one function a command; everything they do lives elsewhere."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console, RenderableType

from harness.judge.judge import harness_errors
from harness.judge.plugins import PluginError
from harness.live import watching
from harness.model.competition import DEFAULT_POLICY, load
from harness.model.leaderboard import View
from harness.model.review import Depth, Review, Verdict
from harness.observe.moment import silent
from harness.observe.target import Request, TargetError, is_url
from harness.review import Reviewed, address_of, review_target
from harness.rulepages import rule_pages
from harness.store.store import Store, default_root
from reports.formats import Format, document, json_document
from reports.rulebook import rule_list, rule_page
from reports.terminal import ProofReport, TerminalReport

app = typer.Typer(
    name="golf",
    help="Check, review and reproduce Parameter Golf submissions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Exit(IntEnum):
    """Exit codes; stable, because other programs call `golf`."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HARNESS = 4
    INTERRUPTED = 130
    """Ended from outside (Ctrl-C), as shells have it; no answer was given."""


class Engine(StrEnum):
    """Where a sweep runs."""

    LOCAL = "local"


DepthOption = Annotated[
    Depth,
    typer.Option(help="How far to look: static reads, run also runs it in a sandbox, proof experiments with it."),
]
WorldSizeOption = Annotated[
    int, typer.Option(min=1, max=2, help="Processes of a run: 2 opens what scripts do only among several ranks.")
]
FormatOption = Annotated[Format, typer.Option(help="Output format.")]
OutputOption = Annotated[Path | None, typer.Option(help="Write the report to this file instead of the terminal.")]
AsOfOption = Annotated[
    dt.datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Judge under the rules of this date (default: that of the commit)."),
]
PolicyOption = Annotated[str, typer.Option(help="Decides the record status: readme or chronological.")]
GithubOption = Annotated[
    str | None, typer.Option(help="OWNER/NAME on GitHub that links go to (default: the target's own address).")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="List the rules that hold, too.")]


@app.command()
def check(
    folder: Annotated[str, typer.Argument(help="Submission folder.")],
    depth: DepthOption = Depth.STATIC,
    world_size: WorldSizeOption = 1,
    format_: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    output: OutputOption = None,
    as_of: AsOfOption = None,
    policy: PolicyOption = DEFAULT_POLICY,
    verbose: VerboseOption = False,  # noqa: FBT002  typer reads flags from such parameters
) -> None:
    """Check a submission folder before opening a pull request: about a second, no GPU."""
    _review(Request(folder), depth, as_of, policy, format_, output, verbose=verbose, world_size=world_size)


@app.command()
def review(
    target: Annotated[str, typer.Argument(help="Submission folder, git repository or URL.")],
    pr: Annotated[int | None, typer.Option(min=1, help="Pull request of the repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
    base: Annotated[str | None, typer.Option(help="Branch that it is compared with (default: main).")] = None,
    folder: Annotated[str | None, typer.Option(help="Only this folder of --ref.")] = None,
    depth: DepthOption = Depth.PROOF,
    world_size: WorldSizeOption = 1,
    format_: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    output: OutputOption = None,
    as_of: AsOfOption = None,
    policy: PolicyOption = DEFAULT_POLICY,
    github: GithubOption = None,
    verbose: VerboseOption = False,  # noqa: FBT002  typer reads flags from such parameters
) -> None:
    """Review a submission folder, or a pull request or ref of a git repository."""
    request = Request(target, pr, ref, base, folder)
    _review(request, depth, as_of, policy, format_, output, github, verbose=verbose, world_size=world_size)


bot = typer.Typer(name="bot", help="What a review says on a pull request.", no_args_is_help=True)
app.add_typer(bot)


class PayloadFormat(StrEnum):
    """How payloads are shown."""

    TEXT = "text"
    JSON = "json"


@bot.command("review-pr")
def review_pr(
    repository: Annotated[str | None, typer.Argument(help="Repository (default: that of the GitHub Action).")] = None,
    pr: Annotated[int | None, typer.Option(min=1, help="Pull request (default: that of the action's event).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be posted.")] = False,  # noqa: FBT002  as above
    depth: DepthOption = Depth.STATIC,
    format_: Annotated[PayloadFormat, typer.Option("--format", help="Output format.")] = PayloadFormat.TEXT,
    output: OutputOption = None,
    as_of: AsOfOption = None,
    policy: PolicyOption = DEFAULT_POLICY,
    github: GithubOption = None,
) -> None:
    """Print the comment and the check run that a review would post on a pull request."""
    from harness.bot.action import ContextError, context
    from harness.bot.compose import compose, readable

    if not dry_run:
        _stop("posting is not part of this version; `golf bot review-pr --dry-run` prints what would be posted")
    try:
        found = context(os.environ, repository, pr)
    except ContextError as error:
        _stop(str(error))
    request = Request(found.target, found.pr)
    done = _reviewed(request, depth, as_of, policy)
    payloads = compose(done.review, done.facts, github or found.address or address_of(request))
    _write(readable(payloads) if format_ is PayloadFormat.TEXT else json_document(payloads), output)
    raise typer.Exit(exit_code(done.review))


@app.command()
def replay(
    review: Annotated[Path, typer.Argument(help="What `golf review --depth proof --format json --output` wrote.")],
    finding: Annotated[str, typer.Argument(help="Rule whose proof is shown, such as PG411.")],
    again: Annotated[bool, typer.Option("--again", help="Make the experiment again and compare.")] = False,  # noqa: FBT002  as above
) -> None:
    """Show a proof again, from the review's own data; with --again, made again from nothing."""
    from harness.replay import ReplayError, load_review, proofs
    from harness.replay import again as made_again

    try:
        known = load_review(review)
        shown = proofs(known, finding)
        _print(ProofReport(shown))
        if not again:
            return
        with _interruptible(), watching(Console(stderr=True, highlight=False)) as show:
            repeated = proofs(made_again(known, show), finding)
    except (ReplayError, TargetError) as error:
        _stop(str(error))
    same = [(folder, one.proof) for folder, one in shown] == [(folder, one.proof) for folder, one in repeated]
    if not same:
        _print(ProofReport(repeated))
    _print("Made again: the same to the last bit." if same else "Made again: it came out as above, not as before.")
    raise typer.Exit(Exit.CLEAN if same else Exit.FINDINGS)


@app.command("rules")
def rules_(rule: Annotated[str | None, typer.Argument(help="Id of one rule, such as PG201.")] = None) -> None:
    """Show the rule book, or the page of one rule."""
    pages = rule_pages()
    if rule is None:
        _print(rule_list(pages))
        return
    page = next((page for page in pages if page.id == rule.upper()), None)
    if page is None:
        _stop(f"there is no rule {rule}; `golf rules` lists them")
    else:
        _print(rule_page(page))


@app.command()
def sweep(
    repository: Annotated[str, typer.Argument(help="Local git repository that holds the pull requests.")],
    output: Annotated[Path, typer.Option(help="Folder for <pr>.json, index.json and the journal.")],
    prs: Annotated[str, typer.Option(help="all, 1-500, 3,7,10-12 or @FILE.")] = "all",
    depth: DepthOption = Depth.STATIC,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
    engine: Annotated[Engine, typer.Option(help="Where it runs.")] = Engine.LOCAL,
    base: Annotated[str | None, typer.Option(help="Branch that pull requests are compared with.")] = None,
    as_of: AsOfOption = None,
    policy: PolicyOption = DEFAULT_POLICY,
) -> None:
    """Review many pull requests; run it again to go on where it was stopped."""
    del engine
    from harness.observe.intake.repository import RepositoryError
    from harness.sweep.memory import affordable
    from harness.sweep.plan import PlanError
    from harness.sweep.progress import show
    from harness.sweep.sweep import plan_sweep, run_sweep

    if is_url(repository):
        _stop("a sweep reads a local repository; clone it first with: git clone --mirror URL")
    try:
        able = affordable(jobs, depth)
        planned = plan_sweep(Path(repository), prs, output, default_root(), base, _date(as_of), _policy(policy), depth)
    except (PlanError, RepositoryError) as error:
        _stop(str(error))
    console = Console(stderr=True, highlight=False)
    if able < jobs:
        console.print(f"{able} of {jobs} jobs: the memory of this machine holds no more sandboxes at their limit")
    with _interruptible(), show(planned, console) as shown:
        index = run_sweep(planned, able, shown, shown.doing)
    _print(f"{len(index.rows)} pull requests in {output / 'index.json'}")
    raise typer.Exit(Exit.HARNESS if index.errors else Exit.CLEAN)


@app.command()
def leaderboard(
    repository: Annotated[str, typer.Argument(help="Local git repository that holds the pull requests.")],
    output: Annotated[Path, typer.Option(help="Folder for leaderboard.json, the site and its README.")],
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The state of main, and the rules, of this date (default: the last)."),
    ] = None,
    policy: PolicyOption = DEFAULT_POLICY,
    view: Annotated[View, typer.Option(help="Which submissions are rows.")] = View.PUBLISHED,
    reviews: Annotated[Path | None, typer.Option(help="Folder of a finished sweep, instead of the store.")] = None,
    readme: Annotated[Path | None, typer.Option(help="README whose table, between its markers, is renewed.")] = None,
    include: Annotated[str, typer.Option(help="Pull requests to rank as if they were accepted: 3,7.")] = "",
    github: GithubOption = None,
    home: Annotated[str, typer.Option(help="Address of the site, for the feed.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
) -> None:
    """Make the leaderboard anew from the committed logs: data, README table and site."""
    from harness.leaderboard.publish import publish
    from harness.leaderboard.request import Request as Wanted
    from harness.leaderboard.request import rank
    from harness.observe.intake.repository import RepositoryError
    from harness.sweep.plan import PlanError
    from harness.sweep.progress import show
    from reports.links import github_name
    from reports.site.readme import MarkerError

    if is_url(repository):
        _stop("a leaderboard reads a local repository; clone it first with: git clone --mirror URL")
    wanted = Wanted(
        Path(repository),
        default_root(),
        _date(as_of),
        _policy(policy),
        view,
        reviews,
        _numbers(include, "--include"),
        github,
    )
    try:
        ranked = rank(wanted, jobs, lambda plan: show(plan, Console(stderr=True)))
        files = publish(ranked, output, jobs, readme, github_name(github) if github else None, home)
    except (PlanError, RepositoryError, MarkerError) as error:
        _stop(str(error))
    board = ranked.leaderboard
    missing = f"; pull requests of this view never read: {len(board.not_read)}" if board.not_read else ""
    _print(f"{len(board.rows)} rows as of {board.as_of}, {len(files)} files in {output}{missing}")


@app.command()
def bundle(
    preset: Annotated[str, typer.Option(help="Configuration of the reference model: see reference_model/presets.py.")],
    output: Annotated[Path, typer.Option(help="Folder of the submission; it must not hold anything yet.")],
    seeds: Annotated[str, typer.Option(help="Run the script here with these seeds (42,314) and keep the logs.")] = "",
    name: Annotated[str, typer.Option(help="Name of the submission (default: the preset).")] = "",
    author: Annotated[str, typer.Option(help="Who submits it.")] = "Golf harness",
    github_id: Annotated[str, typer.Option(help="The author's name on GitHub.")] = "golf-harness",
    track: Annotated[str, typer.Option(help="Track of the competition.")] = "cpu_demo",
    hardware: Annotated[str, typer.Option(help="What --seeds runs on, in words.")] = f"{os.cpu_count()} CPU cores",
    packed: Annotated[bool, typer.Option("--packed", help="Minify and compress the script.")] = False,  # noqa: FBT002  as above
) -> None:
    """Write a submission folder with one self-contained script from a preset of the reference model."""
    from reference_model.presets import preset as named
    from reference_model.submission import Described, write_submission

    command = " ".join(["golf bundle --preset", preset, *(["--seeds", seeds] if seeds else []), *["--packed"] * packed])
    said = Described(name or preset, author, github_id, track, dt.datetime.now(dt.UTC).date(), hardware, command)
    console = Console(stderr=True, highlight=False)
    try:
        config = named(preset)
    except KeyError as error:
        _stop(str(error.args[0]))
    try:
        write_submission(config, output, said, _numbers(seeds, "--seeds"), pack_code=packed, told=console.print)
    except (FileExistsError, ModuleNotFoundError) as error:
        _stop(str(error))
    except RuntimeError as error:
        _stop(str(error), Exit.HARNESS)
    size = (output / "train_gpt.py").stat().st_size
    _print(f"{output}: train_gpt.py {size:,} bytes; next: golf check {output}")


def _numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers separated by commas, or the end of the program."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        _stop(f"{option}: {text!r} is no list of numbers such as 3,7")


def _review(
    request: Request,
    depth: Depth,
    as_of: dt.datetime | None,
    policy: str,
    format_: Format,
    output: Path | None,
    github: str | None = None,
    *,
    verbose: bool,
    world_size: int,
) -> None:
    done = _reviewed(request, depth, as_of, policy, world_size)
    if format_ is Format.TEXT:
        _print(TerminalReport(done.review, verbose=verbose), output)
    else:
        home = github or address_of(request)
        text = document(format_, done.review, done.facts, home, rule_pages() if format_ is Format.SARIF else ())
        _write(text, output)
    raise typer.Exit(exit_code(done.review))


def _reviewed(request: Request, depth: Depth, as_of: dt.datetime | None, policy: str, world_size: int = 1) -> Reviewed:
    # Reading takes about a second; there is something to watch only where something is run.
    watched = nullcontext(silent) if depth is Depth.STATIC else watching(Console(stderr=True, highlight=False))
    try:
        with _interruptible(), watched as show:
            store = Store(default_root())
            return review_target(request, store, _date(as_of), _policy(policy), depth, show, world_size)
    except TargetError as error:
        _stop(str(error))


def _date(moment: dt.datetime | None) -> dt.date | None:
    return moment.date() if moment is not None else None


def _policy(name: str) -> str:
    """`name`, if there is such a policy; else the end of the program with those there are."""
    try:
        return load().policy(name).id
    except KeyError as error:
        _stop(str(error.args[0]))


def exit_code(result: Review) -> Exit:
    """The exit code that tells a caller what the review found."""
    if harness_errors(result):
        return Exit.HARNESS
    verdict = result.compliance.verdict
    if verdict is Verdict.CLEAN:
        return Exit.CLEAN
    return Exit.INCONCLUSIVE if verdict is Verdict.INCONCLUSIVE else Exit.FINDINGS


def _print(what: RenderableType, output: Path | None = None) -> None:
    if output is None:
        Console(highlight=False).print(what)
        return
    with output.open("w", encoding="utf-8") as stream:
        Console(file=stream, width=120, highlight=False).print(what)


def _write(text: str, output: Path | None) -> None:
    output.write_text(text, encoding="utf-8") if output else sys.stdout.write(text)


def _stop(message: str, code: Exit = Exit.USAGE) -> NoReturn:
    """End with a message: about wrong usage, unless another code says otherwise."""
    Console(stderr=True, highlight=False, markup=False).print(f"golf: {message}", soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the program in words."""
    try:
        yield
    except KeyboardInterrupt:
        _stop("interrupted; what was finished is kept, and the same command goes on from there", Exit.INTERRUPTED)


def main() -> None:
    """Entry point of the `golf` command."""
    try:
        app()
    except SystemExit as ending:
        # Waiting for the threads of a pool that was cut short would end in a traceback.
        if ending.code == Exit.INTERRUPTED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(Exit.INTERRUPTED)
        raise
    except (OSError, PluginError) as error:
        Console(stderr=True, highlight=False, markup=False).print(f"golf: {error}", soft_wrap=True)
        sys.exit(Exit.HARNESS)


if __name__ == "__main__":
    main()
