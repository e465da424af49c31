"""The documents say what the code does, and the code tells nothing about where it was made."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter

import pytest
from django.core.management import get_commands

from config.celery import app as celery_app
from connections.sources.stripe.listing import PERMISSIONS
from local import product
from local.data import ROOT
from tests import event_docs

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
OUR_APPS = {"automations", "campaigns", "segments", "connections", "contacts", "orders", "recurring_payments", "users"}
OUR_APPS |= {"common"}
SCOPE = [f"A{number:03}" for number in range(1, 94)]
SCOPE += ["B001", "B002", "B004", "B006", "B009", "B036", "B038", *(f"B{number:03}" for number in range(21, 36))]
SCOPE += [f"B{number:03}" for number in range(45, 55)]
SCOPE += ["C001", "C002", "C004", "C005", *(f"C{number:03}" for number in range(6, 14)), "C018", "C019"]
SCOPE += ["B037", *(f"B{number:03}" for number in range(39, 45))]
SCOPE += ["C014", "C015", "C016", "C017", "C020", "C021"]
SCOPE += ["C022", *(f"D{number:03}" for number in range(2, 6)), *(f"E{number:03}" for number in range(1, 10))]
LATER: set[str] = set()


def requirement_rows() -> list[tuple[str, str]]:
    """(number, what shows it) of each row."""
    page = (ROOT / "docs" / "requirements.md").read_text()
    return re.findall(r"^\| ([A-E]\d{3}) \| .+ \| (.+) \|$", page, re.MULTILINE)


def test_every_requirement_of_the_release_stands_once_in_the_table() -> None:
    assert Counter(number for number, _ in requirement_rows()) == Counter(SCOPE)


def test_every_requirement_names_tests_that_exist() -> None:
    for number, shown in requirement_rows():
        if number in LATER:
            assert shown == "later"
            continue
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", shown)
        assert named, number
        for file, test in named:
            path = ROOT / "tests" / file
            assert path.is_file(), f"{number}: {file}"
            assert re.search(rf"^ *def {test}\(", path.read_text(), re.MULTILINE), f"{number}: {file}::{test}"


def test_the_list_of_events_is_what_the_code_supports() -> None:
    """A030. When this fails: python -m tests.event_docs, and look at the difference."""
    assert event_docs.PAGE.read_text(encoding="utf-8") == event_docs.render()


def test_commands_in_the_documents_exist() -> None:
    scripts = {
        match for page in [README, *DOCS] for match in re.findall(r"(?<![\w/])(?:\./)?bin/([a-z]+)\b", page.read_text())
    }
    assert {"demo", "start", "test", "manage"} <= scripts
    for script in scripts - {"bench"}:
        assert os.access(ROOT / "bin" / script, os.X_OK), script
    known = set(get_commands())
    for page in [README, *DOCS]:
        for command in re.findall(r"(?:bin/manage|manage\.py) ([a-z_]+)", page.read_text()):
            assert command in known, f"{page.name}: {command}"


def test_the_readme_names_every_right_a_restricted_key_needs() -> None:
    named = set(re.findall(r"`(rak_\w+)`", README.read_text()))
    assert named == set(PERMISSIONS)


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [README, *DOCS]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|<img[^>]* src=\"([^\"]+)\"", page.read_text()):
            link = "".join(target)
            if not link.startswith(("http://", "https://", "mailto:")):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("image", sorted((ROOT / "docs" / "img").glob("*")), ids=lambda path: path.name)
def test_pictures_are_small(image: os.PathLike[str]) -> None:
    assert os.stat(image).st_size < 200_000


def test_the_contract_names_every_command_and_variable() -> None:
    contract = (ROOT / "docs" / "contract.md").read_text()
    ours = {name for name, app in get_commands().items() if app in OUR_APPS}
    settings = "".join((ROOT / "config" / name).read_text() for name in ("settings.py", "databases.py"))
    variables = set(re.findall(r"(?:env(?:\.\w+)?|_secret)\(\s*\"([A-Z_]+)\"", settings))
    assert {"connect", "work"} <= ours and {"SITE_URL", "FIELD_KEYS", "DATABASE_URL"} <= variables
    assert not [name for name in sorted(ours | variables) if f"`{name}" not in contract]


def test_compose_and_units_run_the_processes_of_the_product() -> None:
    """E008: as bin/start runs them, so that what is tried there holds for a server."""
    compose = (ROOT / "compose.yaml").read_text()
    listed = re.findall(r"^    command: \[(.+)\]$", compose, re.MULTILINE)
    composed = [[part.strip().strip('"') for part in line.split(",")] for line in listed]
    units = {
        path.stem.removeprefix("millrace-"): re.findall(r"^ExecStart=\S+/(.+)$", path.read_text(), re.MULTILINE)[0]
        for path in (ROOT / "deploy").glob("*.service")
    }
    assert set(units) == {"web", "worker", "stripe-worker", "beat"}
    queues = set()
    for name, program in {"worker": product.worker({}), "stripe-worker": product.stripe_worker({})}.items():
        options = program.command[program.command.index("celery") :]
        count = options.index("--concurrency") + 1
        # A server may want more or fewer at once; everything else is as it was tried.
        for other in (units[name].split(), composed_like(composed, options)):
            assert without(other, count) == without(options, count)
        queues.add(options[options.index("--queues") + 1])
    assert queues == set(celery_app.conf.task_queues)
    assert "granian config.wsgi:application --interface wsgi" in units["web"]
    assert "config.celery beat" in units["beat"] and any("beat" in command for command in composed)


def composed_like(composed: list[list[str]], options: list[str]) -> list[str]:
    """The command of compose.yaml that works the same queue."""
    queue = options[options.index("--queues") + 1]
    return next(command for command in composed if "--queues" in command and queue in command)


def without(command: list[str], index: int) -> list[str]:
    return command[:index] + command[index + 1 :]


# In pieces, so that this file does not find itself.
ELSEWHERE = [
    re.compile("pypi" + r"\.org|python" + r"hosted\.org|registry\." + r"npmjs|conda\." + r"anaconda"),
    re.compile(r"(?<![\w.:/])/(?:" + "work|" + "home|" + r"opt/pypi)[\w-]*/"),
]


def test_no_file_names_a_registry_or_the_place_where_it_was_written() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name and not name.endswith(".md")]
    found = []
    for path in filter(lambda path: path.is_file(), paths):
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for one in ELSEWHERE for match in one.finditer(text)]
    assert not found
