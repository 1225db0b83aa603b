"""Draws the pictures of the documents from real output: `python docs/pictures.py` (part of `make docs`)."""

from __future__ import annotations

import datetime as dt
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from harness.model.review import Depth
from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store
from reports.terminal import TerminalReport

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"
AS_OF = dt.date(2026, 11, 21)
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""
"""rich's own template without the web fonts that it would fetch."""


def draw(folder: Path, title: str) -> str:
    """The terminal review of `folder`, which is run for it, as SVG; the same text gives the same bytes."""
    with tempfile.TemporaryDirectory() as cache:
        review = review_target(Request(str(folder)), Store(Path(cache)), AS_OF, depth=Depth.RUN).review
    shown = review.model_copy(
        update={"target": review.target.model_copy(update={"repository": str(folder.relative_to(ROOT))})}
    )
    console = Console(record=True, width=110, file=StringIO(), highlight=False)
    console.print(TerminalReport(shown))
    return console.export_svg(title=title, theme=MONOKAI, code_format=SVG, unique_id="golf")


def main() -> None:
    """Write docs/review.svg."""
    svg = draw(DEMO, f"golf check {DEMO.relative_to(ROOT)} --depth run")
    (ROOT / "docs" / "review.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
