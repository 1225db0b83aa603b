"""The study of the whole corpus: rules by family, shades of its heat table, verdicts week by week."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from harness.model.leaderboard import RuleCount, Study
from reports.words import words

LEVELS = 8
"""Shades of the heat table that the style sheet has."""


def by_family(study: Study) -> list[tuple[str, list[RuleCount]]]:
    """Rules by family, in the order of their ids."""
    families = dict.fromkeys(rule.family for rule in study.rules)
    return [(family, [rule for rule in study.rules if rule.family == family]) for family in families]


def shade(count: int, total: int) -> int:
    """The shade of a share: 0 for none, then by its square root, because most shares are small."""
    return 0 if count == 0 or total == 0 else min(LEVELS, 1 + int((count / total) ** 0.5 * LEVELS))


def week_bars(study: Study) -> Markup:
    """Verdicts of each week as stacked bars, one picture."""
    width, height, left, top = 360.0, 150.0, 34.0, 8.0
    high = max(study.totals, default=0) or 1
    slot = (width - left) / max(1, len(study.weeks))
    parts = [
        f'<svg viewBox="0 0 {width:.0f} {height + 24:.0f}" role="img" aria-label="Pull requests by week and verdict">',
        f'<text x="{left - 5}" y="{top + 8}" text-anchor="end">{high}</text>',
        f'<text x="{left - 5}" y="{height}" text-anchor="end">0</text>',
    ]
    for i, week in enumerate(study.weeks):
        bottom = height
        for verdict, counts in study.verdicts.items():
            tall = (height - top) * counts[i] / high
            bottom -= tall
            if counts[i]:
                parts.append(
                    f'<rect class="v-{verdict}" x="{left + i * slot + 2:.1f}" y="{bottom:.1f}" width="{slot - 4:.1f}" '
                    f'height="{tall:.1f}"><title>{week}: {counts[i]} {words(verdict)}</title></rect>'
                )
        day = dt.date.fromisoformat(week)
        middle = left + (i + 0.5) * slot
        parts.append(f'<text x="{middle:.1f}" y="{height + 15:.0f}" text-anchor="middle">{day.month}/{day.day}</text>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704  numbers and names of our own enumerations
