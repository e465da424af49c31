"""A mail as one contact would get it, before anything is sent."""

from __future__ import annotations

import uuid

from campaigns import delivery, links, values
from campaigns.delivery import Carrier, Result, Unreachable, Verdict
from campaigns.models import Campaign, DeliverySettings
from campaigns.personalization import roots
from campaigns.rendering import CannotRender, Rendered, render
from campaigns.tags import ORDER, RECURRING_PAYMENT
from campaigns.values import Values
from contacts.email import email_key
from contacts.models import Contact
from orders.models import Order, OrderQuerySet
from recurring_payments.models import RecurringPayment
from users.models import User


def preview(campaign: Campaign, address: str) -> Rendered:
    """With the values of the contact of this address; without one with samples. CannotRender as `render`."""
    return render(campaign, said_to(campaign, address), DeliverySettings.current())


def said_to(campaign: Campaign, address: str) -> Values:
    """The contact's newest recurring payment and order stand for those an automation would bring."""
    contact = find(address)
    unsubscribe = links.example_unsubscribe_url()
    if contact is None:
        return {**values.samples(), "unsubscribe_url": unsubscribe}
    needed = roots(campaign)
    payment = _newest_payment(contact) if RECURRING_PAYMENT in needed else None
    order = _newest_order(contact) if ORDER in needed else None
    said = values.of_mail(contact, recurring_payment=payment, order=order, unsubscribe_url=unsubscribe)
    sample = values.samples()
    # What the contact does not have is shown by samples, so that the look of the mail can be judged.
    for root, held in ((RECURRING_PAYMENT, payment), (ORDER, order), ("event", None)):
        if held is None:
            said[root] = sample[root]
    return said


def find(address: str) -> Contact | None:
    """The contact of an address, a live one before one of test mode. CannotRender if there is none."""
    if not address.strip():
        return None
    try:
        key = email_key(address)
    except ValueError as error:
        raise CannotRender(str(error)) from error
    contact = Contact.objects.present().filter(email_key=key).order_by("is_test").first()
    if contact is None:
        raise CannotRender(f"No contact has the address “{address[:80]}”.")
    return contact


def send_test(campaign: Campaign, user: User, address: str) -> Result:
    """The mail as that contact would get it, to the person who asks. Not in a transaction. CannotRender as `render`."""
    rendered = preview(campaign, address)
    marked = Rendered(f"[Test] {rendered.subject}", rendered.html, rendered.text)
    message = delivery.message(
        campaign, marked, DeliverySettings.current(), to=user.email, name=user.name, delivery_id=uuid.uuid4()
    )
    del message.metadata  # type: ignore[attr-defined]
    try:
        carrier = Carrier()
    except Unreachable as error:
        return Result(Verdict.NEVER, f"The mail server cannot be reached: {error}")
    try:
        return carrier.hand_over(message)
    finally:
        carrier.close()


def _newest_payment(contact: Contact) -> RecurringPayment | None:
    return RecurringPayment.objects.filter(contact=contact).order_by("-start_date", "-pk").first()


def _newest_order(contact: Contact) -> Order | None:
    found = OrderQuerySet(Order).filter(contact=contact).with_parts()
    return found.order_by("-placed_at", "-pk").first()
