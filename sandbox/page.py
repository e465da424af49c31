"""A plain page that shows what a fake holds."""

from __future__ import annotations

import json
from html import escape
from typing import Any


def page(title: str, sections: dict[str, list[Any]]) -> str:
    """Each section as a list of JSON values, newest first."""
    parts = [f"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5><title>{escape(title)}</title>"]
    parts.append(f"<h1>{escape(title)}</h1>")
    for name, values in sections.items():
        parts.append(f"<h2>{escape(name)} ({len(values)})</h2>")
        for value in reversed(values):
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            parts.append(f"<pre>{escape(text)}</pre>")
    return "".join(parts)
