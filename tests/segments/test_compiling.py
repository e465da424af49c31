"""Conditions as one query find exactly whom they describe: compared with a plain evaluation in memory."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contacts.models import ContactList, Tag
from segments.compiling import contacts_matching, matches
from segments.conditions import as_json, parse
from segments.fields import CONTACT, fields
from tests.segments import world
from tests.segments.plain import Person, Reader

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db
EXAMPLES = hypothesis_settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=6)


@pytest.fixture
def names(db: None) -> None:
    """Tags, lists and custom fields that every world has."""
    world.custom_fields()
    Tag.objects.bulk_create([Tag(name=name) for name in world.TAGS])
    ContactList.objects.bulk_create([ContactList(name=name) for name in world.LISTS])


def agree(tree: dict[str, Any], people: list[Person], now: datetime, zone: ZoneInfo) -> None:
    """The query finds whom the plain reading finds, asked of everybody and of each alone."""
    group = parse(tree)
    assert parse(as_json(group)) == group
    reader = Reader(now, zone, {key: str(field.kind) for key, field in fields(CONTACT).items()})
    expected = {person.contact.pk for person in people if reader.item(tree, person)}
    found = list(contacts_matching(group, now=now).values_list("pk", flat=True))
    assert sorted(found) == sorted(expected), tree
    first = people[0].contact.pk
    assert matches(group, first, now=now) == (first in expected), tree


@pytest.mark.parametrize("zone_name", world.ZONES)
@pytest.mark.usefixtures("names")
def test_a_tree_of_conditions_finds_whom_it_describes(settings: SettingsWrapper, zone_name: str) -> None:
    """B036, A039: any tree over any field, with missing values and times around midnight."""
    settings.TIME_ZONE = zone_name
    zone = ZoneInfo(zone_name)
    known = fields(CONTACT)

    @EXAMPLES
    @given(st.data(), st.sampled_from(world.NOWS))
    def one(data: st.DataObject, now: datetime) -> None:
        with world.taken_back():
            people = data.draw(world.people(known, now, zone))
            for _ in range(10):
                agree(data.draw(world.tree(known, now, zone)), people, now, zone)

    one()


@pytest.mark.usefixtures("names")
def test_every_operator_of_every_field_agrees_with_the_plain_reading(settings: SettingsWrapper) -> None:
    """B036: each of the fields, each of its operators, at least once over a world of many values."""
    settings.TIME_ZONE = "America/New_York"
    zone, now = ZoneInfo("America/New_York"), world.NOWS[1]
    known = fields(CONTACT)

    @settings_of(1)
    @given(st.data())
    def one(data: st.DataObject) -> None:
        with world.taken_back():
            people = data.draw(world.people(known, now, zone, 6))
            for asked in known.values():
                for operator in asked.operators:
                    value = data.draw(world.wanted(asked, operator.shape, now, zone))
                    if asked.key == "contact.list":
                        value = ContactList.objects.get(name=value).pk
                    item = {"field": asked.key, "operator": operator.key, "value": value}
                    agree({"match": "all", "items": [item]}, people, now, zone)

    one()


def settings_of(examples: int) -> Any:
    return hypothesis_settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=examples)
