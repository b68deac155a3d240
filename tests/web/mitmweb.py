"""mitmweb in a headless Chromium, used as a person uses it: by what is seen and clicked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Locator, Page, sync_playwright

MITMWEB: Final = "mitmweb"
TOKEN: Final = "for-the-test"
PATIENCE: Final = 15_000
"""Milliseconds until something that is to be seen is missed."""

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--force-color-profile=srgb", "--hide-scrollbars"),
)


def chromium() -> str | None:
    """The machine's own browser; Playwright would bring one from elsewhere."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def options(port: int) -> dict[str, str]:
    """mitmweb's own, for a floway that is looked at from here."""
    return {"web_port": str(port), "web_open_browser": "false", "web_password": TOKEN}


class Mitmweb:
    """The page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # --- the list ---

    def rows(self) -> list[str]:
        """Each flow's columns, with its marker, as one text."""
        found = self.page.locator(".flow-table tbody tr:has(td)").all_inner_texts()
        return [" ".join(text.split()) for text in found if text.strip()]

    def wait_for_rows(self, count: int) -> list[str]:
        self.page.wait_for_function(
            "n => [...document.querySelectorAll('.flow-table tbody tr')]"
            ".filter(row => row.innerText.trim()).length === n",
            arg=count,
        )
        return self.rows()

    def wait_for_row(self, text: str) -> str:
        """The one flow with this text among its columns."""
        row = self.page.locator(".flow-table tbody tr", has_text=text)
        row.wait_for()
        return " ".join(row.inner_text().split())

    def filter(self, expression: str) -> None:
        self.page.get_by_role("link", name="Flow List").click()
        search = self.page.get_by_placeholder("Search")
        search.fill(expression)
        search.press("Escape")

    def select(self, text: str, number: int = 0) -> None:
        """Click the flow whose columns have this text."""
        self.page.locator(".flow-table tbody tr", has_text=text).nth(number).click()
        self.page.locator(".flow-detail").wait_for()

    # --- one flow ---

    @property
    def detail(self) -> Locator:
        return self.page.locator(".flow-detail")

    def tab(self, name: str) -> None:
        """Request, Response, WebSocket, Comment …"""
        self.detail.get_by_role("link", name=name, exact=True).click()

    def choose_view(self, name: str) -> None:
        self.detail.get_by_text("View:").first.click()
        # The menu opens upwards, and may reach out of the window.
        self.page.get_by_role("menuitem", name=name, exact=True).or_(
            self.page.locator("ul.dropdown-menu li, .dropdown-menu a", has_text=name)
        ).first.evaluate("entry => (entry.querySelector('a') ?? entry).click()")

    def content(self, holds: str) -> str:
        """The text of the content view, once it holds this."""
        shown = self.detail.locator(".contentview").filter(has_text=holds).first
        shown.wait_for()
        shown.evaluate("shown => shown.scrollIntoView()")
        return shown.inner_text()

    # --- commands ---

    def show(self, panel: str) -> None:
        """ "Command Bar" or "Event Log"."""
        self.page.get_by_role("link", name="Options").click()
        self.page.get_by_label(f"Display {panel}").check()

    def hide(self, panel: str) -> None:
        self.page.get_by_role("link", name="Options").click()
        self.page.get_by_label(f"Display {panel}").uncheck()

    def run(self, command: str) -> str:
        """Type a command, and read what comes of it."""
        results = self.page.locator(".command-result > div")
        before = results.count()
        bar = self.page.locator(".command input")
        bar.fill(command)
        bar.press("Enter")
        results.nth(before).wait_for()
        return results.nth(before).inner_text()

    def offered(self, begin: str) -> str:
        """What the command bar offers for a beginning."""
        bar = self.page.locator(".command input")
        bar.fill("")
        bar.press_sequentially(begin)
        offer = self.page.locator(".command").get_by_text("Available Commands").locator("..")
        offer.filter(has_text=begin).wait_for()
        return offer.inner_text()

    def log(self, holds: str) -> str:
        """The end of the event log, once it holds this. (What is out of sight is not there.)"""
        self.page.wait_for_function(
            """holds => {
                const log = document.querySelector('.eventlog pre')
                log.scrollTop = log.scrollHeight
                return log.innerText.includes(holds)
            }""",
            arg=holds,
        )
        return self.page.locator(".eventlog pre").inner_text()

    def picture(self, file: Path) -> None:
        self.page.mouse.move(0, 0)
        self.page.screenshot(path=file)


@contextmanager
def opened(port: int, width: int = 1400, height: int = 900) -> Iterator[Mitmweb]:
    """mitmweb at a port of this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*_FLAGS])
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE)
            page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
            page.locator("text=connected").wait_for()
            yield Mitmweb(page)
        finally:
            browser.close()
