"""Draws docs/review.png, the HTML page of a review, in a real browser: `python docs/screenshots.py`.

The submission is the cheat that `make demo` reviews, so that the page shows a proof. Needs the `dev` extra, bubblewrap
and Chromium (GOLF_BROWSER, or on the PATH).
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from harness.model.review import Depth
from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store
from reports.page import page

ROOT = Path(__file__).parent.parent
CHEAT = ROOT / "tests" / "cheats" / "reads_the_book_first"
AS_OF = dt.date(2026, 11, 21)


def shown() -> str:
    """The page of the cheat that `make demo` reviews, with the proof against it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / CHEAT.name
        shutil.copytree(CHEAT / "cheat", copy)
        done = review_target(Request(str(copy)), Store(Path(folder) / "store"), AS_OF, depth=Depth.PROOF)
    target = done.review.target.model_copy(update={"repository": CHEAT.name})
    return page(done.review.model_copy(update={"target": target}), None, done.facts)


def shoot(html: str, path: Path, width: int, height: int) -> None:
    """A picture of the upper `height` pixels of a page in a window `width` pixels wide."""
    browser = os.environ.get("GOLF_BROWSER") or shutil.which("chromium")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        opened = started.new_page(viewport={"width": width, "height": height})
        opened.set_content(html)
        opened.screenshot(path=path)
        started.close()


if __name__ == "__main__":
    shoot(shown(), ROOT / "docs" / "review.png", 1120, 1085)
