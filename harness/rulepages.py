"""The rule book: pages made of the rules for the terminal, and `docs/rules.md` (`python -m harness.rulepages`)."""

from __future__ import annotations

import inspect
from pathlib import Path

from harness.judge.rulebook import FAMILIES, own_rules, plugins, rules
from harness.model.competition import load
from reports.rulebook import RulePage, rule_book

DOCUMENT = Path("docs") / "rules.md"


def rule_pages() -> list[RulePage]:
    """A page for every rule, those of plug-ins among them. Raises PluginError when a plug-in cannot be used."""
    origins = {rule.id: plugin.package for plugin in plugins() for rule in plugin.rules}
    return [
        RulePage(
            id=rule.id,
            title=rule.title(),
            severity=rule.severity.value,
            strength=rule.strength.value,
            text=rule.page(),
            remedy=rule.remedy,
            basis=load().basis(*rule.basis),
            origin=origins.get(rule.id),
            violation_class=rule.violation_class,
        )
        for rule in rules()
    ]


def document() -> str:
    """The rule book of the harness's own rules as Markdown."""
    own = {rule.id for rule in own_rules()}
    headings = {prefix: _heading(module.__doc__ or "") for prefix, module in FAMILIES.items()}
    return rule_book([page for page in rule_pages() if page.id in own], headings)


def _heading(docstring: str) -> str:
    """What a family's module says of itself, without the prefix of its ids."""
    return inspect.cleandoc(docstring).split("\n", 1)[0].partition(": ")[2].rstrip(".")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
