"""What PostgreSQL did for a query, from EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

PAGE = 50


@dataclass(frozen=True)
class Plan:
    """`how`: the scans of the table itself, by index. `rows`: those of the table that were looked at, and thrown away
    or not. `pages`: of 8 KB, wherever they lay. `milliseconds`: of running it.
    """

    how: str
    rows: int
    pages: int
    milliseconds: float
    reads_table: bool


def page(rows: QuerySet[Any]) -> Plan:
    """The first page of a list."""
    return _plan(json.loads(rows[:PAGE].explain(analyze=True, buffers=True, format="json")), rows)


def count(rows: QuerySet[Any]) -> Plan:
    """Its paginator's count."""
    with CaptureQueriesContext(connection) as asked:
        rows.count()
    with connection.cursor() as cursor:
        cursor.execute(f"explain (analyze, buffers, format json) {asked[0]['sql']}")
        told = cursor.fetchone()[0]
    return _plan(told if isinstance(told, list) else json.loads(told), rows)


def _plan(told: list[dict[str, Any]], rows: QuerySet[Any]) -> Plan:
    top = told[0]["Plan"]
    nodes = list(_nodes(top))
    table = rows.model._meta.db_table
    scans = [node for node in nodes if node.get("Relation Name") == table]
    used = [node["Index Name"] for node in nodes if "Index Name" in node and _is_of(node, table)]
    return Plan(
        how=", ".join(dict.fromkeys(_words(node) for node in scans)) + (f" ({', '.join(used)})" if used else ""),
        rows=sum(_looked_at(node) for node in scans),
        pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        milliseconds=told[0]["Execution Time"],
        reads_table=any(node["Node Type"] == "Seq Scan" for node in scans),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _is_of(node: dict[str, Any], table: str) -> bool:
    """A bitmap's index scan does not name its table."""
    return bool(node.get("Relation Name", table) == table)


def _words(node: dict[str, Any]) -> str:
    return str(node["Node Type"]).removesuffix(" Scan").lower()


def _looked_at(node: dict[str, Any]) -> int:
    thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + thrown_away) * node["Actual Loops"])
