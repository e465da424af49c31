"""Mistakes in a form are told by us, in our words and beside the field: the browser keeps its own to itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.data import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FORM = re.compile(r"""<form\b((?:[^>"]|"[^"]*")*)>(.*?)</form>""", re.DOTALL)
FILLED_IN = re.compile(r"{{ *form|as_field_group|<textarea|<select|{% include|<input\b(?![^>]*type=.hidden)")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_browser_stands_before_the_errors_of_a_form(template: Path) -> None:
    for attributes, content in FORM.findall(template.read_text()):
        if 'method="post"' in attributes and FILLED_IN.search(content):
            assert "novalidate" in attributes, attributes
