"""Documents that can go stale are held against the code."""

import re
from pathlib import Path

import pytest

from turncoat.kernels.skeleton import JOINTS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_conventions_page_lists_the_joints_in_order():
    text = (ROOT / "docs" / "conventions.md").read_text()
    section = text[text.index("## Poses") : text.index("## Labels")]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    listed = {
        int(number): name
        for head, names in ((rows[0], rows[2]), (rows[3], rows[5]))
        for number, name in zip(head, names, strict=True)
    }
    assert [listed[joint].replace(" ", "_") for joint in range(17)] == list(JOINTS)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/conventions.md"])
def test_files_that_a_page_names_exist(page):
    named = set(
        re.findall(
            r"`((?:kernels|training|export|engine|benchmarks|docs|tests)/[a-z_/]+\.(?:py|md))`",
            (ROOT / page).read_text(),
        )
    )
    assert not [name for name in named if not (ROOT / name).exists()]
    assert named or page.startswith("docs")
