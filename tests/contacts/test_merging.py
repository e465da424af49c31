"""Two contacts that are one person: merged, found by either address, and parted again within a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.origin import Origin
from connections.models import Connection, Resource, SyncLogEntry
from contacts import editing, merging
from contacts.models import Activity, Contact, ContactList, ContactMerge, CustomField, Identity, Kind
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import SandboxAccount
from tests.connections.conftest import account, connect, deliver, live_hook, stripe  # noqa: F401  (fixtures)
from tests.contacts.conftest import START, record, sync
from tests.contacts.test_records import apply_until_stored, together
from users.models import AuditEntry, User

Pair = tuple[Contact, Contact]


@pytest.fixture
def pair(db: None) -> Pair:
    """Ana twice: the second has the newer phone, and billing."""
    sync(
        record(
            1, customer="cus_1", email="ana@example.com", at=10, phone="111", first_name="Ana", tags=("shared", "first")
        )
    )
    sync(record(2, customer="cus_2", email="Ana@Work.example", at=20, phone="222", tags=("shared", "second")))
    kept, gone = Contact.objects.order_by("pk")
    origin = {"source": "stripe", "account": "acct_1", "contact": gone}
    Order.objects.create(external_id="ch_1", status="paid", placed_at=START, **origin)
    RecurringPayment.objects.create(store_recurring_payment_id="sub_1", normalized_status="ACTIVE", **origin)
    connection = Connection.objects.create(source="stripe", account="acct_1")
    SyncLogEntry.objects.create(
        connection=connection, contact=gone, result="created", via=Origin.WEBHOOK, occurred_at=START
    )
    readers, testers = (ContactList.objects.create(name=name) for name in ("Readers", "Testers"))
    readers.contacts.add(kept, gone)
    testers.contacts.add(gone)
    return kept, gone


def fresh(*contacts: Contact) -> list[Contact]:
    for contact in contacts:
        contact.refresh_from_db()
    return list(contacts)


def belongings(contact: Contact) -> dict[str, list[Any]]:
    """Everything that stands on a contact, by primary key or name."""
    return {
        "tags": sorted(contact.tags.values_list("name", "contacttag__added_at")),
        "lists": sorted(contact.lists.values_list("name", flat=True)),
        "identities": sorted(contact.identities.values_list("external_id", flat=True)),
        "orders": sorted(contact.orders.values_list("pk", flat=True)),
        "recurring": sorted(contact.recurring_payments.values_list("pk", flat=True)),
        "log": sorted(contact.sync_log.values_list("pk", flat=True)),
        "activities": sorted(
            contact.activities.exclude(kind=Kind.CONTACT_MERGED)
            .exclude(data__has_key="undone")
            .values_list("pk", flat=True)
        ),
    }


def values(contact: Contact) -> tuple[object, ...]:
    return contact.email, contact.email_key, contact.first_name, contact.phone, contact.custom, contact.facts


def test_everything_of_both_stands_on_the_contact_that_was_kept(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    merging.merge(kept.pk, gone.pk, marketer)
    fresh(kept, gone)
    assert sorted(kept.tags.values_list("name", flat=True)) == ["first", "second", "shared"]
    assert sorted(kept.lists.values_list("name", flat=True)) == ["Readers", "Testers"]
    assert sorted(kept.identities.values_list("external_id", flat=True)) == ["cus_1", "cus_2"]
    assert (kept.orders.count(), kept.recurring_payments.count(), kept.sync_log.count()) == (1, 1, 1)
    assert (kept.first_name, kept.phone) == ("Ana", "222")
    assert not any(belongings(gone).values())
    told = Activity.objects.get(kind=Kind.CONTACT_MERGED)
    assert (told.contact_id, told.data["by"], told.data["gone"]) == (kept.pk, "Mia Marketer", gone.pk)
    assert AuditEntry.objects.filter(action="merged contacts", object_id=str(kept.pk), user=marketer).count() == 1


def test_of_one_slot_the_newer_fact_wins_and_a_custom_value_without_facts_fills_only_an_empty_field(
    pair: Pair, marketer: User
) -> None:
    kept, gone = pair
    CustomField.objects.create(key="plan", label="Plan")
    CustomField.objects.create(key="seats", label="Seats", type="number")
    for contact, plan, phone in ((kept, "Pro", "mine"), (gone, "Free", "theirs")):
        contact.custom = {"plan": plan} if contact == kept else {"plan": plan, "seats": 3}
        contact.save()
        contact.refresh_from_db()
        editing.save(contact.pk, contact.version, {"phone": phone}, marketer)
    merging.merge(kept.pk, gone.pk, marketer)
    fresh(kept)
    assert kept.phone == "theirs"
    assert kept.custom == {"plan": "Pro", "seats": 3}
    assert set(kept.facts["phone"]) == {"user", "stripe:customer:cus_1", "stripe:customer:cus_2"}


@pytest.mark.parametrize("keep_first", [True, False], ids=["the newer address goes", "the older address goes"])
def test_what_comes_for_either_address_or_customer_finds_the_kept_contact(
    pair: Pair, marketer: User, keep_first: bool
) -> None:
    kept, gone = pair if keep_first else pair[::-1]
    merging.merge(kept.pk, gone.pk, marketer)
    outcomes = sync(
        record(10, customer="cus_9", email="ana@work.example", at=100, owns_email=False),
        record(11, customer=None, email="ana@example.com", at=101, owns_email=False),
        record(12, customer="cus_2", email=None, at=102, phone="news"),
    )
    assert {outcome.contact for outcome in outcomes} == {kept}
    assert Contact.objects.count() == 2
    fresh(kept, gone)
    assert kept.phone == "news"
    assert not any(belongings(gone).values())


def test_the_kept_contact_may_take_the_address_of_the_other_as_its_own(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    sync(record(3, customer="cus_1", email="ana@example.com", at=30))
    merging.merge(kept.pk, gone.pk, marketer)
    fresh(kept, gone)
    assert (kept.email_key, gone.email_key) == ("ana@example.com", "ana@work.example")
    sync(record(4, customer="cus_1", email="ana@work.example", at=40))
    fresh(kept, gone)
    assert (kept.email_key, gone.email_key) == ("ana@work.example", None)


def test_by_hand_the_other_address_belongs_to_the_kept_contact(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    sync(record(3, customer="cus_1", email="ana@example.com", at=30))
    merging.merge(kept.pk, gone.pk, marketer)
    assert editing.owner_of("ana@work.example", is_test=False) == kept
    with pytest.raises(IntegrityError):
        editing.create({"email": "ana@work.example"}, marketer)


def test_a_person_gives_the_kept_contact_the_other_address(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    sync(record(3, customer="cus_1", email="ana@example.com", at=30))
    merging.merge(kept.pk, gone.pk, marketer)
    fresh(kept)
    assert editing.owner_of("ana@work.example", is_test=False, besides=kept) is None
    editing.save(kept.pk, kept.version, {"email": "ana@work.example"}, marketer)
    fresh(kept, gone)
    assert (kept.email_key, gone.email_key) == ("ana@work.example", None)


def test_undo_restores_both(pair: Pair, marketer: User) -> None:
    before = [(belongings(one), values(one)) for one in pair]
    done = merging.merge(pair[0].pk, pair[1].pk, marketer)
    merging.undo(done.pk, marketer)
    assert [(belongings(one), values(one)) for one in fresh(*pair)] == before
    assert all(one.merged_into_id is None and one.merged_at is None for one in pair)
    assert AuditEntry.objects.filter(action="undid merge").count() == 1
    with pytest.raises(merging.CannotMerge, match="undone already"):
        merging.undo(done.pk, marketer)


def test_what_changed_since_stays_when_undone(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    done = merging.merge(kept.pk, gone.pk, marketer)
    fresh(kept)
    editing.save(kept.pk, kept.version, {"first_name": "Anna"}, marketer)
    editing.add_tag(kept, "later", marketer)
    editing.remove_tag(kept, "second", marketer)
    sync(record(5, customer="cus_2", email=None, at=50, phone="333"))
    sync(record(6, customer="cus_3", email="ana@work.example", at=60, owns_email=False))
    merging.undo(done.pk, marketer)
    fresh(kept, gone)
    assert (kept.first_name, gone.first_name) == ("Anna", "")
    assert set(kept.tags.values_list("name", flat=True)) >= {"first", "shared", "later"}
    assert set(gone.tags.values_list("name", flat=True)) == {"shared"}
    assert set(kept.identities.values_list("external_id", flat=True)) == {"cus_1", "cus_3"}
    assert gone.phone == "333"  # its own customer's news


def test_after_a_day_there_is_no_undo(pair: Pair, marketer: User) -> None:
    done = merging.merge(pair[0].pk, pair[1].pk, marketer)
    ContactMerge.objects.update(merged_at=timezone.now() - timedelta(days=1))
    with pytest.raises(merging.CannotMerge, match="for a day"):
        merging.undo(done.pk, marketer)


def test_merges_of_merges_are_undone_from_the_last_one(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    sync(record(7, customer="cus_7", email="third@example.com", at=70))
    last = Contact.objects.get(email_key="third@example.com")
    first = merging.merge(kept.pk, gone.pk, marketer)
    second = merging.merge(last.pk, kept.pk, marketer)
    assert fresh(gone)[0].merged_into == last
    (outcome,) = sync(record(8, customer=None, email="ana@work.example", at=80, owns_email=False))
    assert outcome.contact == last
    with pytest.raises(merging.CannotMerge, match="Undo that merge first"):
        merging.undo(first.pk, marketer)
    merging.undo(second.pk, marketer)
    assert fresh(gone)[0].merged_into == kept
    merging.undo(first.pk, marketer)
    assert fresh(gone)[0].merged_into is None
    assert set(Contact.objects.values_list("email_key", flat=True)) == {
        "ana@example.com", "ana@work.example", "third@example.com",
    }  # fmt: skip


def test_what_cannot_be_merged_says_why(pair: Pair, marketer: User) -> None:
    kept, gone = pair
    sync(record(9, customer="cus_t", email="ana@example.com", is_test=True))
    test_contact = Contact.objects.get(is_test=True)
    for one, other in ((kept, kept), (kept, test_contact), (test_contact, gone)):
        with pytest.raises(merging.CannotMerge):
            merging.merge(one.pk, other.pk, marketer)
    merging.merge(kept.pk, gone.pk, marketer)
    with pytest.raises(merging.CannotMerge, match="already"):
        merging.merge(kept.pk, gone.pk, marketer)


@pytest.mark.django_db(transaction=True)
def test_of_two_merges_of_one_contact_at_once_one_is_done(marketer: User) -> None:
    for turn in range(4):
        people = [record(n, customer=f"cus_{turn}_{n}", email=f"p{n}-{turn}@example.com") for n in range(3)]
        one, two, gone = (outcome.contact.pk for outcome in sync(*people) if outcome.contact)
        tries = [(one, gone), (two, gone), (gone, one)]
        wrong = together(*(partial(merging.merge, kept, away, marketer) for kept, away in tries))
        assert all(isinstance(error, merging.CannotMerge) for error in wrong)
        # The third may follow the first two in either direction, but nobody is merged twice.
        merged = Contact.objects.filter(pk__in=(one, two, gone)).exclude(merged_into=None)
        assert merged.count() == ContactMerge.objects.filter(gone__in=(one, two, gone)).count()
        assert not merged.filter(merged_into__merged_into__isnull=False).exists()
        assert Identity.objects.filter(contact__in=merged).count() == 0


@pytest.mark.django_db(transaction=True)
def test_records_that_come_while_merging_lose_nothing_and_make_no_third_contact(marketer: User) -> None:
    for turn in range(6):
        mail = f"gone{turn}@example.com"
        made = sync(
            record(turn * 100, customer=f"cus_k{turn}", email=f"kept{turn}@example.com"),
            record(turn * 100 + 1, customer=f"cus_g{turn}", email=mail),
        )
        kept, gone = (outcome.contact.pk for outcome in made if outcome.contact)
        late = [
            record(turn * 100 + 2, customer=f"cus_g{turn}", email=mail, at=50, phone="news", tags=("late",)),
            record(turn * 100 + 3, customer=f"cus_n{turn}", email=mail, at=51, owns_email=False, tags=("new",)),
        ]
        work = [partial(apply_until_stored, [one]) for one in late]
        wrong = together(partial(merging.merge, kept, gone, marketer), *work)
        assert wrong == []
        contact = Contact.objects.present().get(identities__external_id=f"cus_g{turn}")
        assert (contact.pk, contact.phone) == (kept, "news")
        assert set(contact.tags.values_list("name", flat=True)) >= {"late", "new"}
        assert contact.identities.filter(external_id=f"cus_n{turn}").exists()
        assert not Activity.objects.filter(contact=gone).exists()
    assert Contact.objects.count() == 12


def test_a_merged_contact_is_hidden_and_its_page_leads_to_the_kept_one(
    pair: Pair, marketer: User, marketer_client: Client
) -> None:
    kept, gone = pair
    merging.merge(kept.pk, gone.pk, marketer)
    assert list(Contact.objects.live()) == [kept]
    assert marketer_client.get(reverse("contacts:list")).context["page"].paginator.count == 1
    answer: Any = marketer_client.post(reverse("contacts:export"), {"format": "jsonl"})
    exported = b"".join(answer.streaming_content)
    assert exported.count(b"\n") == 1
    response = marketer_client.get(gone.get_absolute_url(), follow=True)
    assert response.redirect_chain == [(kept.get_absolute_url(), 302)]
    assert b"was merged into this contact" in response.content
    for name in ("edit", "add-tag", "join-list", "activity", "merge"):
        assert marketer_client.get(reverse(f"contacts:{name}", args=[gone.pk])).status_code == 404


def test_a_marketer_merges_and_undoes(pair: Pair, marketer_client: Client) -> None:
    kept, gone = pair
    found = marketer_client.get(reverse("contacts:merge", args=[kept.pk]), {"q": "work.example"})
    assert found.context["found"] == [gone]
    address = reverse("contacts:merge-with", args=[kept.pk, gone.pk])
    lines = {line.label: line for line in marketer_client.get(address).context["lines"]}
    assert "222" in lines["Phone"].merged
    response = marketer_client.post(address, follow=True)
    assert b"Contacts merged" in response.content
    assert response.content.count(b"Undo merge") == 2
    assert AuditEntry.objects.get(action="merged contacts").ip is not None
    response = marketer_client.post(reverse("contacts:merge-undo", args=[ContactMerge.objects.get().pk]), follow=True)
    assert b"Merge undone" in response.content
    assert b"Undo merge" not in response.content
    assert Contact.objects.live().count() == 2


def test_staff_may_not_merge(pair: Pair, staff_client: Client, marketer: User) -> None:
    kept, gone = pair
    assert staff_client.post(reverse("contacts:merge-with", args=[kept.pk, gone.pk])).status_code == 403
    done = merging.merge(kept.pk, gone.pk, marketer)
    assert staff_client.post(reverse("contacts:merge-undo", args=[done.pk])).status_code == 403
    assert b"Undo merge" not in staff_client.get(kept.get_absolute_url()).content


def test_two_that_cannot_be_merged_are_refused_on_the_page(pair: Pair, marketer_client: Client) -> None:
    sync(record(9, customer="cus_t", email="t@example.com", is_test=True))
    other = Contact.objects.get(is_test=True)
    response = marketer_client.post(reverse("contacts:merge-with", args=[pair[0].pk, other.pk]))
    assert response.status_code == 422
    assert b"A test contact and a live one cannot be merged." in response.content


@pytest.mark.django_db(transaction=True)
def test_what_stripe_tells_of_a_merged_customer_or_address_stands_on_the_kept_contact(
    connect: Callable[..., Resource],  # noqa: F811
    live_hook: None,  # noqa: F811
    account: SandboxAccount,  # noqa: F811
    deliver: Callable[[], list[Any]],  # noqa: F811
    marketer: User,
) -> None:
    for kind in ("customer", "subscription", "invoice", "charge", "checkout_session"):
        connect(kind)
    account.create_customer(email="ana@example.com", name="Ana")
    customer = account.create_customer(email="ana@work.example", name="Ana")
    subscription = account.subscribe(customer["id"], amount=4900, currency="eur", product="Pro plan")
    deliver()
    kept, gone = (Contact.objects.get(email_key=key) for key in ("ana@example.com", "ana@work.example"))
    before = belongings(gone)
    assert before["orders"]
    assert before["recurring"]
    assert before["log"]
    done = merging.merge(kept.pk, gone.pk, marketer)
    account.cancel(subscription["id"])
    account.buy(email="ana@work.example", amount=700, currency="eur")
    deliver()
    assert Contact.objects.count() == 2
    assert not any(belongings(fresh(gone)[0]).values())
    assert set(Order.objects.values_list("contact", flat=True)) == {kept.pk}
    assert RecurringPayment.objects.get().contact == kept
    merging.undo(done.pk, marketer)
    assert belongings(gone)["recurring"] == before["recurring"]
    assert belongings(gone)["orders"] == before["orders"]
