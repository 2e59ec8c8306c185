"""Pages in a real browser: no errors, tables sort, pictures open large, nothing is fetched, phones do not scroll."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turncoat.engine.analysis.catalogue import Analysis
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.number import Number, exactly
from turncoat.engine.report.analyses_page import Section, write_analyses
from turncoat.engine.report.figure_files import new_figure, save_figure

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt install chromium")

BEFORE = """<script>window.failures = []; window.onerror = (words) => { window.failures.push(String(words)); };
addEventListener("unhandledrejection", (event) => window.failures.push(String(event.reason)));</script>"""
AFTER = """<script>addEventListener("load", () => {
  const found = {};
  const table = document.querySelector("th.sorts").closest("table");
  const head = [...table.tHead.rows].pop().cells[1];
  const column = () => [...table.tBodies[0].rows].map((row) => row.cells[1].firstChild.textContent.trim());
  found.first = column();
  head.click(); found.falling = column(); found.sort = head.getAttribute("aria-sort");
  head.click(); found.rising = column();
  const name = [...table.tHead.rows].pop().cells[0];
  name.click(); found.names = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
  const picture = document.querySelector("img.enlarges");
  picture.click();
  const dialog = document.querySelector("dialog");
  found.opened = dialog.open; found.same = dialog.querySelector("img").src === picture.src;
  dialog.click(); found.closed = !dialog.open;
  const fetched = performance.getEntriesByType("resource").map((one) => one.name);
  found.alone = fetched.filter((name) => !name.startsWith("data:"));
  found.wide = document.documentElement.scrollWidth - innerWidth;
  found.alt = [...document.images].filter((one) => !one.closest("dialog")).every((one) => one.alt.length > 3);
  found.failures = window.failures;
  document.documentElement.dataset.found = JSON.stringify(found);
});</script>"""


class Found:
    """An analysis' result: one number, different for every network."""

    def __init__(self, mm: float) -> None:
        self.mm = mm

    def numbers(self) -> list[Number]:
        interval = Interval(self.mm, self.mm - 2, self.mm + 2)
        return [
            Number("far_mm", "how far", interval, "mm", exactly(1.0), "noise"),
            Number("share", "how often", exactly(0.5), "share"),
        ]

    def facts(self) -> dict[str, Any]:
        return {"mm": self.mm}


def _draw(results: Any, folder: Path) -> list[Path]:
    figure = new_figure(4, 3)
    figure.subplots().plot([one.mm for one in results])
    return save_figure(figure, folder, "how_far")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    section = Section(Analysis("far", "How far", "How far is it?", "Fig. 0", lambda case, progress: Found(0.0), _draw))
    for name, mm in (("nsd", 31.0), ("cssl", 4.0), ("drnet", 1200.5), ("ugar", -7.0)):
        section.add(name, Found(mm))
    section.draw(folder / "figures")
    files = write_analyses(
        [section], folder, title="A page", lede="Words.", provenance=[("Command", "turncoat analyze nsd")]
    )
    return files[0]


def seen(page: Path, folder: Path, width: int) -> dict[str, Any]:
    """What the scripts around the page found in it, at a window so many pixels wide."""
    html = (
        page.read_text(encoding="utf-8").replace("<head>", f"<head>{BEFORE}", 1).replace("</body>", f"{AFTER}</body>")
    )
    tried = folder / "tried.html"
    tried.write_text(html, encoding="utf-8")
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
               f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000", "--dump-dom",
               tried.as_uri()]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = re.search(r'data-found="([^"]*)"', ended.stdout)
    assert said is not None, f"the page's scripts did not get done: {ended.stderr[-500:]}"
    found: dict[str, Any] = json.loads(unescape(said.group(1)))
    return found


@pytest.fixture(scope="module")
def found(page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return seen(page, tmp_path_factory.mktemp("wide"), 1200)


def test_nothing_fails_and_nothing_is_fetched(found: dict[str, Any]) -> None:
    assert found["failures"] == [] and found["alone"] == []


def test_tables_sort_by_their_numbers_and_by_names(found: dict[str, Any]) -> None:
    numbers = [float(text.replace(",", "").replace("−", "-")) for text in found["first"]]
    assert numbers == [31.0, 4.0, 1200.5, -7.0]
    falling, rising = (
        [float(text.replace(",", "").replace("−", "-")) for text in found[way]] for way in ("falling", "rising")
    )
    assert falling == sorted(numbers, reverse=True) and found["sort"] == "descending"
    assert rising == sorted(numbers)
    assert sorted(found["names"]) in (found["names"], found["names"][::-1])


def test_pictures_open_large_and_close_and_say_what_they_show(found: dict[str, Any]) -> None:
    assert found["opened"] and found["same"] and found["closed"] and found["alt"]


def test_a_phone_does_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    assert seen(page, tmp_path, 500)["wide"] <= 0  # headless windows are no narrower


def test_the_document_and_markdown_hold_the_same_numbers(page: Path) -> None:
    document = json.loads(page.with_suffix(".json").read_text())
    assert document["analyses"]["far"]["networks"]["ugar"]["numbers"]["far_mm"]["value"] == -7.0
    assert "1,200.5" in page.with_suffix(".md").read_text() and np.isfinite(
        document["analyses"]["far"]["networks"]["nsd"]["found"]["mm"]
    )
