"""Form-encoded bodies and queries with brackets, as Stripe reads them: `a[b][0]=x` becomes {"a": {"b": ["x"]}}."""

import re
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]
PART = re.compile(r"\[([^\]]*)\]")


def decode(text: str) -> Json:
    """The nested dictionary of a query string or body; every leaf is a string."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head = name.partition("[")[0]
        _plant(tree, [head, *PART.findall(name[len(head) :])], value)
    return {key: _with_lists(value) for key, value in tree.items()}


def _plant(tree: Json, path: list[str], value: str) -> None:
    *parents, leaf = path
    for part in parents:
        following = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(following, dict):
            following = tree[part] = {}
        tree = following
    tree[leaf or str(len(tree))] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(inner) for key, inner in value.items()}


def boolean(value: Any) -> bool:
    """`true`, `1` or True; everything else is false."""
    return value is True or str(value).lower() in ("true", "1")
