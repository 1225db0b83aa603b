"""Draws docs/review.png, the HTML page of a review, in a real browser: `python docs/screenshots.py`.

The submission is the demonstration entry with two claims altered, so that the page has something to say. Needs the
`dev` extra and Chromium (GOLF_BROWSER, or on the PATH).
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from harness.observe.target import Request
from harness.review import review_target
from harness.store.store import Store
from reports.page import page

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"
AS_OF = dt.date(2026, 11, 21)
ALTERED = {"1.66369651": "1.62123450", '"bytes_total": 188433': '"bytes_total": 180000'}
"""Claims of submission.json as they are and as the picture has them."""


def shown() -> str:
    """The page of the altered demonstration entry."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / DEMO.name
        shutil.copytree(DEMO, copy)
        claims = copy / "submission.json"
        text = claims.read_text(encoding="utf-8")
        for before, after in ALTERED.items():
            if before not in text:
                raise SystemExit(f"submission.json no longer says {before}; choose other claims to alter")
            text = text.replace(before, after)
        claims.write_text(text, encoding="utf-8")
        done = review_target(Request(str(copy)), Store(Path(folder) / "store"), AS_OF)
    target = done.review.target.model_copy(update={"repository": DEMO.name})
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
