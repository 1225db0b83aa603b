"""Pages of the rule book in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
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
        Text(f"{page.severity}, {page.strength}", style="dim"),
        Padding(Text(body), (1, 0, 1, 0)),
        Text(f"→ {page.remedy}", style="green"),
        Text("\nBasis", style="bold"),
        *(Padding(row, (0, 0, 0, 1)) for row in basis),
    )
