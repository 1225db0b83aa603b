"""A real headless browser for tests of pages; it sees what a page requests, complains of, and how wide it gets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = 375
DESKTOP = 1280
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, from GOLF_BROWSER or the system's; without one the test fails where GOLF_BROWSER is set, else skips.

    One a module (half a second): the driver holds the thread's event loop, which no other test shall find running.
    """
    wanted = os.environ.get("GOLF_BROWSER")
    found = wanted or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no browser: install chromium, or name one with GOLF_BROWSER")
    if not Path(found).exists():
        pytest.fail(f"GOLF_BROWSER names {found}, which does not exist")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


class Visit:
    """One opened page and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        """Console messages, uncaught errors and failed requests."""
        self.requests: list[str] = []
        """Addresses requested, that of the page itself first."""
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def visit(browser: Browser, address: str, width: int = DESKTOP, scheme: str = "light") -> Iterator[Visit]:
    """Open `address` in a window `width` pixels wide, preferring the colour scheme `light` or `dark`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # playwright wants the literal itself
        offline=not address.startswith("http://"),
    )
    try:
        visited = Visit(context.new_page())
        visited.page.goto(address)
        yield visited
    finally:
        context.close()
