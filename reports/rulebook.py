"""Pages of the rule book in the terminal and as one Markdown document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model.findings import Basis


@dataclass(frozen=True)
class RulePage:
    """What the rule book says of one rule."""

    id: str
    title: str
    severity: str
    strength: str
    text: str
    remedy: str
    basis: tuple[Basis, ...]
    origin: str | None = None
    """Name and version of the package that brings the rule; None for the harness itself."""
    violation_class: str | None = None


def rule_list(pages: Iterable[RulePage]) -> RenderableType:
    """One line a rule."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("rule", "severity", "strength", "title"):
        table.add_column(name)
    for page in pages:
        table.add_row(Text(page.id, style="bold"), page.severity, page.strength, page.title)
    return table


def rule_page(page: RulePage) -> RenderableType:
    """The whole page of one rule."""
    body = page.text.split("\n", 1)[-1].strip()
    basis = [Text(f"{b.date}  {b.title}\n            {b.url}") for b in page.basis]
    return Group(
        Text.assemble((page.id, "bold"), "  ", (page.title, "bold")),
        Text(f"{page.severity}, {page.strength}" + (f", from {page.origin}" if page.origin else ""), style="dim"),
        Padding(Text(body), (1, 0, 1, 0)),
        Text(f"→ {page.remedy}", style="green"),
        Text("\nBasis", style="bold"),
        *(Padding(row, (0, 0, 0, 1)) for row in basis),
    )


_HEAD = """# Rule book

Generated from the rules by `make docs`; a test keeps it current. `golf rules ID` shows one page in the terminal.
*Severity* is what a failure would mean, *strength* how it is known: only `proven` and `derived` failures of severity
`violation` accuse a submission.
"""


def rule_book(pages: Sequence[RulePage], families: Mapping[str, str]) -> str:
    """The whole rule book as Markdown; `families` maps the prefix of the ids to a heading."""
    parts = [_HEAD]
    for prefix, heading in sorted(families.items()):
        members = [page for page in pages if _family(page.id, families) == prefix]
        parts += [f"## {prefix.ljust(5, 'x')}: {heading}", "", *_COLUMNS]
        parts += [f"| [{p.id}](#{p.id.lower()}) | {p.severity} | {p.strength} | {p.title} |" for p in members]
        parts += ["", *(_markdown(page) for page in members)]
    return "\n".join(parts)


def _family(rule: str, families: Iterable[str]) -> str:
    """The longest prefix of a rule's id, or nothing."""
    return max((prefix for prefix in families if rule.startswith(prefix)), key=len, default="")


def _markdown(page: RulePage) -> str:
    """One rule: its page with a paragraph for each part, its remedy and what it rests on."""
    lines = [f"### {page.id}", "", f"**{page.title}.** {page.severity}, {page.strength}."]
    if page.violation_class is not None:
        lines[-1] += f" Class `{page.violation_class}`."
    for paragraph in page.text.split("\n\n")[1:]:
        for line in paragraph.split("\n"):
            name, colon, rest = line.partition(":")
            if colon and name in _PARTS:
                lines += ["", f"*{name}.*{rest}"]
            else:
                lines.append(line)
    lines += ["", f"*Remedy.* {page.remedy}", ""]
    lines += [f"- {basis.date} [{basis.title}]({basis.url})" for basis in page.basis]
    return "\n".join([*lines, ""])


_COLUMNS = ("| rule | severity | strength | what it says |", "| --- | --- | --- | --- |")
_PARTS = {"What", "Why", "Mend", "Blind spots"}
