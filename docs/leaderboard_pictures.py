"""Draws the pictures of the leaderboard's site in a real browser: `python docs/leaderboard_pictures.py SITE`.

SITE is what `golf leaderboard --output SITE` wrote. Authors are left out of the pictures. Needs the `dev` extra and
Chromium (GOLF_BROWSER, or on the PATH).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
PICTURES = (
    ("index.html", "leaderboard.png", 1200, 1340),
    ("index.html", "leaderboard-phone.png", 375, 1250),
    ("study.html", "study.png", 1200, 1000),
)
"""Page, picture, and width and height of the window."""
WITHOUT_AUTHORS = "document.querySelectorAll('.run .sub').forEach(e => e.lastChild.remove())"


def draw(site: Path) -> None:
    """Write every picture."""
    browser = os.environ.get("GOLF_BROWSER") or shutil.which("chromium")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        for page, picture, width, height in PICTURES:
            opened = started.new_page(viewport={"width": width, "height": height})
            opened.goto((site / page).resolve().as_uri())
            opened.evaluate(WITHOUT_AUTHORS)
            opened.screenshot(path=DOCS / picture)
            opened.close()
        started.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    draw(Path(sys.argv[1]))
