"""What a source says about people, written to contacts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import records
from contacts.models import Activity, Contact, ContactTag, Identity, Kind, Tag
from contacts.records import ContactRecord
from contacts.tagging import add_tags
from tests.contacts.conftest import START, record, sync

pytestmark = pytest.mark.django_db


def test_a_new_customer_becomes_a_contact_with_both_tags_and_no_list() -> None:
    """A003, A006, A031, A032"""
    (outcome,) = sync(record(1, first_name="Ana"))
    ana = Contact.objects.get()
    assert (outcome.result, outcome.contact) == ("created", ana)
    assert (ana.email, ana.email_key, ana.first_name) == ("ana@example.com", "ana@example.com", "Ana")
    assert sorted(ana.tags.values_list("name", flat=True)) == [
        "stripe-integration",
        "stripe-integration-customer.updated",
    ]
    assert not ana.lists.exists()
    assert list(ana.identities.values_list("source", "account", "external_id")) == [("stripe", "acct_1", "cus_1")]
    assert sorted(Activity.objects.values_list("kind", flat=True)) == [
        "contact.created", "source.event", "tag.added", "tag.added",
    ]  # fmt: skip


def test_telling_twice_changes_nothing() -> None:
    """A033: the same event twice adds nothing."""
    told = [record(1, first_name="Ana"), record(2, at=5, first_name="Anna", tags=("stripe-integration", "second"))]
    sync(*told)
    before = (Contact.objects.values().get(), Activity.objects.count(), ContactTag.objects.count())
    outcomes = sync(*told)
    assert [outcome.result for outcome in outcomes] == ["unchanged", "unchanged"]
    after = (Contact.objects.values().get(), Activity.objects.count(), ContactTag.objects.count())
    assert after == before
    assert ContactTag.objects.count() == 3


def test_a_contact_of_whom_nothing_new_is_told_is_not_written() -> None:
    """Each payment of a customer tells again what the customer says; only the timeline has more to tell."""
    sync(record(1, first_name="Ana", phone="+34 600 100 200", last_name=None))
    before, row = Contact.objects.values().get(), _version_of_row()
    (outcome,) = sync(record(2, first_name="Ana", phone="+34 600 100 200", last_name=None))
    assert outcome.result == "unchanged" and Activity.objects.filter(dedupe="acct_1:evt_2:event").exists()
    assert Contact.objects.values().get() == before and _version_of_row() == row
    # The same said later is kept: it outweighs what comes from between.
    sync(record(3, at=60, first_name="Ana"))
    assert _version_of_row() != row
    sync(record(4, at=30, first_name="Anna"))
    assert Contact.objects.get().first_name == "Ana"


def test_a_contact_whose_fields_are_filled_is_not_written_for_rows_that_fill_empty_ones() -> None:
    sync(record(1, phone="1"))
    before, row = Contact.objects.values().get(), _version_of_row()
    sync(record(2, phone="2", if_empty=True))
    assert Contact.objects.values().get() == before and _version_of_row() == row
    Contact.objects.update(phone="", facts={})
    sync(record(3, phone="3", if_empty=True))
    assert Contact.objects.get().phone == "3"


def _version_of_row() -> object:
    with connection.cursor() as cursor:
        cursor.execute("select ctid::text from contacts_contact")
        return cursor.fetchone()


def test_a_second_event_updates_and_tells_old_and_new() -> None:
    sync(record(1, phone="1"))
    (outcome,) = sync(record(2, at=5, phone="2"))
    assert outcome.result == "updated"
    told = Activity.objects.get(kind=Kind.CONTACT_UPDATED)
    assert told.changes == [{"field": "phone", "old": "1", "new": "2", "row": 2}]


def test_an_older_event_changes_no_field_but_still_tags() -> None:
    sync(record(1, at=5, phone="new"))
    (outcome,) = sync(record(2, at=1, phone="old", tags=("late",)))
    assert outcome.result == "unchanged"
    assert Contact.objects.get().phone == "new"
    assert Tag.objects.filter(name="late", contacts=outcome.contact).exists()


def test_the_address_finds_a_contact_in_any_writing_and_the_customer_id_comes_first() -> None:
    sync(record(1))
    (by_email,) = sync(record(2, customer="cus_2", email="ANA@Example.com"))
    assert by_email.contact == Contact.objects.get()
    (by_id,) = sync(record(3, customer="cus_2", email="other@example.com", owns_email=False))
    assert by_id.contact == Contact.objects.get()
    assert Contact.objects.get().email_key == "ana@example.com"


def test_only_the_customer_itself_changes_the_address() -> None:
    sync(record(1))
    sync(record(2, at=5, email="new@example.com"))
    assert Contact.objects.get().email_key == "new@example.com"
    (elsewhere,) = sync(record(3, at=6, customer="cus_9", email="ana@example.com"))
    assert elsewhere.result == "created"


def test_an_address_of_another_contact_is_kept_apart_and_said() -> None:
    sync(record(1), record(2, customer="cus_2", email="bob@example.com"))
    (outcome,) = sync(record(3, at=5, email="bob@example.com"))
    assert "belongs to another contact" in outcome.notes[0]
    assert Identity.objects.get(external_id="cus_1").email == "bob@example.com"
    assert sorted(Contact.objects.values_list("email_key", flat=True)) == ["ana@example.com", "bob@example.com"]


def test_an_address_goes_from_one_to_another_in_one_batch() -> None:
    """Whoever is told first in the batch: a new contact, or one that is known, may have what another one left."""
    sync(record(1), record(2, customer="cus_2", email="bob@example.com"))
    sync(
        record(3, at=5, email="new@example.com"),
        record(4, at=6, customer="cus_2", email="ana@example.com"),
        record(5, at=7, customer="cus_3", email="bob@example.com"),
    )
    # Back where it was, and on again.
    sync(record(6, at=8, email="ana2@example.com"), record(7, at=9, email="new@example.com"))
    held = dict(Identity.objects.values_list("external_id", "contact__email_key"))
    assert held == {"cus_1": "new@example.com", "cus_2": "ana@example.com", "cus_3": "bob@example.com"}
    # One has it for a moment between two others.
    sync(
        record(8, at=10, email="newer@example.com"),
        record(9, at=11, customer="cus_2", email="new@example.com"),
        record(10, at=12, customer="cus_2", email="ana3@example.com"),
        record(11, at=13, customer="cus_4", email="new@example.com"),
    )
    assert Identity.objects.get(external_id="cus_4").contact.email_key == "new@example.com"


def test_without_address_and_known_customer_a_record_is_skipped() -> None:
    (outcome,) = sync(record(1, email=None))
    assert (outcome.result, outcome.contact) == ("skipped", None)
    assert not Contact.objects.exists()


def test_test_events_never_touch_live_contacts() -> None:
    sync(record(1, phone="live"))
    sync(record(2, at=5, is_test=True, phone="test"))
    assert dict(Contact.objects.values_list("is_test", "phone")) == {False: "live", True: "test"}


def test_a_deleted_customer_leaves_the_contact_marked() -> None:
    sync(record(1))
    sync(record(2, at=5, deleted_at=START))
    assert Contact.objects.get().source_deleted_at == START
    assert Identity.objects.get().deleted_at == START


def test_history_is_born_dispatched_and_says_no_event() -> None:
    sync(record(1, silent=True, event_type="", tags=("stripe-integration",)))
    assert not Activity.objects.filter(dispatched_at=None).exists()
    assert sorted(Activity.objects.values_list("kind", flat=True)) == ["contact.created", "tag.added"]


@given(st.permutations([record(n, at=n, phone=str(n), first_name="A" * (n % 3)) for n in range(1, 6)]), st.data())
@settings(max_examples=25, deadline=None)
def test_events_in_any_order_in_any_batches_end_in_the_same_contact(
    told: list[ContactRecord], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(told)))
    with transaction.atomic():
        for batch in (told[:cut], told[cut:], told[:2]):
            if batch:
                records.apply(batch)
        ana = Contact.objects.get()
        assert (ana.phone, ana.first_name) == ("5", "AA")
        assert ana.tags.count() == 2
        transaction.set_rollback(True)


def together(*work: Callable[[], object]) -> list[BaseException]:
    """Run all at once in threads of their own; what went wrong."""
    start = threading.Barrier(len(work))
    wrong: list[BaseException] = []

    def run(one: Callable[[], object]) -> None:
        try:
            start.wait(10)
            one()
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return wrong


def apply_until_stored(told: list[ContactRecord]) -> None:
    """As ingest does: somebody else made the same contact just now, so roll back and apply again."""
    for _ in range(3):
        try:
            records.apply(told)
        except IntegrityError:
            continue
        return
    raise AssertionError("three times in conflict")


@pytest.mark.django_db(transaction=True)
def test_two_workers_making_the_same_contact_make_one() -> None:
    for turn in range(5):
        address = f"person{turn}@example.com"
        told = [record(turn * 10 + n, customer=f"cus_{turn}", email=address, at=n, phone=str(n)) for n in range(4)]
        assert together(*(partial(apply_until_stored, [one]) for one in told)) == []
        assert Contact.objects.get(email_key=address).phone == "3"
    assert Identity.objects.count() == Contact.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_workers_with_the_same_people_in_opposite_order_do_not_lock_crosswise() -> None:
    people = [record(n, customer=f"cus_{n}", email=f"p{n}@example.com", phone="0") for n in range(20)]
    sync(*people)

    def updates(offset: int, reverse: bool) -> list[ContactRecord]:
        told = [
            record(offset + n, customer=f"cus_{n}", email=f"p{n}@example.com", at=offset + n, phone=str(offset),
                   tags=(f"tag-{n % 3}", f"tag-{(n + 1) % 3}"))
            for n in range(20)
        ]  # fmt: skip
        return told[::-1] if reverse else told

    wrong = together(*(lambda i=i: records.apply(updates(100 * i, bool(i % 2))) for i in range(1, 5)))
    assert wrong == []
    assert set(Contact.objects.values_list("phone", flat=True)) == {"400"}


@pytest.mark.django_db(transaction=True)
def test_workers_adding_the_same_tags_at_once_add_them_once() -> None:
    contacts = Contact.objects.bulk_create([Contact(first_name=str(n)) for n in range(10)])
    names = [f"tag {n}" for n in range(8)]
    wrong = together(
        *(lambda turn=turn: add_tags([(one, names[:: 1 if turn % 2 else -1]) for one in contacts]) for turn in range(4))
    )
    assert wrong == []
    assert Tag.objects.count() == 8
    assert ContactTag.objects.count() == 80


def test_a_late_record_of_long_ago_and_one_of_the_future_are_taken_by_their_time() -> None:
    sync(record(1, at=-int(timedelta(days=4000).total_seconds()), phone="old"))
    sync(record(2, at=10**9, phone="future"), record(3, phone="now"))
    assert Contact.objects.get().phone == "future"
