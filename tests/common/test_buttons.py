"""Where the buttons of a form stand: the one that acts is the last, in dialogs and on pages alike (docs/ui.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.data import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# The buttons of a form are one line of its template.
ROW = re.compile(r'class="[^"]*\b(?:cluster|dialog-foot)\b.*')
ACTS = re.compile(r'class="button button--(?:primary|danger)"')
LEAVES = re.compile(r'translate "(?:Cancel|Back|Close)"')


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_the_way_out_stands_before_what_is_done(template: Path) -> None:
    for row in ROW.findall(template.read_text()):
        left, done = LEAVES.search(row), ACTS.search(row)
        assert not (left and done) or left.start() < done.start(), row
