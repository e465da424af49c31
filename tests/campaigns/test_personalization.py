"""What a mail says of its recipient, and what is refused before anything is sent."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest

from campaigns import tags, values
from campaigns.models import Campaign, DeliverySettings
from campaigns.personalization import problems, roots, uses_order, uses_recurring_payment
from campaigns.rendering import CannotRender, render
from campaigns.templating import TemplateFault, fill, parse
from contacts.models import Contact, CustomField
from orders.models import Order, OrderItem
from recurring_payments.fields import FIELDS, SHARED_KEYS
from tests.campaigns.conftest import MakeCampaign, MakeContact

AUTOMATED, DIRECT = Campaign.Kind.AUTOMATED, Campaign.Kind.DIRECT
pytestmark = pytest.mark.django_db


def shown(source: str, said: values.Values, *, is_html: bool = True) -> str:
    return fill(parse(source, is_html=is_html), said, source)


def places(source: str, kind: str = AUTOMATED) -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in problems(source, kind=kind)]


def test_every_field_of_a_recurring_payment_is_a_tag() -> None:
    """B040: the editor's menu lists every field of section 2."""
    listed = {tag.path for tag in tags.tags()}
    assert {f"recurring_payment.{field.key}" for field in FIELDS} <= listed
    assert len(SHARED_KEYS) == 60
    assert all(tag.sample or tag.path.endswith("line3") for tag in tags.tags())


def test_tags_name_the_apps_that_fill_them() -> None:
    """B044: a list of tags per source, Stripe among them."""
    by_path = {tag.path: tag for tag in tags.tags()}
    assert by_path["recurring_payment.next_payment_date"].sources == ("Stripe", "PayPal", "WooCommerce", "API store")
    assert by_path["recurring_payment.plan_name"].sources == ("Stripe",)
    assert by_path["contact.first_name"].sources == ()


def test_syntax_errors_have_a_line_and_a_column() -> None:
    assert places("<p>\n  {% foo %}</p>") == [(2, 6)]
    assert places("a\n b {{ contact.first_name ") == [(2, 4)]
    assert places("a\n{% if contact.email %}\nb") == [(2, 1)]
    assert places("{{ contact.email }}\n {% if contact.email == %}x{% endif %}") == [(2, 2)]
    assert places("{{ contact.first_name | shout }}")[0][0] == 1
    assert places("ok {{ }}") == [(1, 4)]
    (problem,) = problems("x{% endif %}", kind=AUTOMATED)
    assert "ends something that was not begun" in problem.message


def test_unknown_tags_have_a_line_and_a_column_and_a_hint() -> None:
    (problem,) = problems("Hi,\n dear {{ contact.frist_name }}", kind=AUTOMATED)
    assert (problem.line, problem.column) == (2, 10)
    assert "contact.first_name" in problem.message
    assert problems("{{ contact['email'] }}{% assign a = contact.email %}{{ a }}", kind=AUTOMATED) == []
    assert problems("{{ contact[contact.email] }}", kind=AUTOMATED)


def test_recurring_payment_tags_are_refused_in_direct_campaigns() -> None:
    """B043: refused with the reason, at its place."""
    source = "Due\n{{ recurring_payment.next_payment_date }}"
    (problem,) = problems(source, kind=DIRECT)
    assert (problem.line, problem.column) == (2, 4)
    assert "cannot be used in a direct campaign" in problem.message
    assert problems(source, kind=AUTOMATED) == []
    assert problems("{% if order.total %}x{% endif %}", kind=DIRECT)
    assert not [tag for tag in tags.allowed(is_direct=True) if tag.root == "recurring_payment"]


def test_a_campaign_knows_what_it_speaks_of(make_campaign: MakeCampaign) -> None:
    """B042: what an automation asks before it takes a campaign into a send step."""
    campaign = make_campaign(preheader="{% if recurring_payment.is_trial %}Trial{% endif %}")
    assert uses_recurring_payment(campaign) and not uses_order(campaign)
    assert roots(make_campaign(text="{{ order.total }}")) == {"contact", "order"}


def test_two_contacts_get_two_dates(make_contact: MakeContact, make_payment, make_campaign: MakeCampaign) -> None:
    """B041: money and dates as a reader expects them, of the recipient's own recurring payment."""
    campaign = make_campaign(
        subject="{{ contact.first_name }}: {{ recurring_payment.next_payment_date }}",
        html="<p>{{ recurring_payment.payment_amount }} every {{ recurring_payment.billing_interval }}</p>",
    )
    ana, jo = make_contact(), make_contact("jo@example.com", "Jo")
    rendered = []
    for number, contact in enumerate((ana, jo), start=1):
        payment = make_payment(contact, number, billing_interval="MONTHLY", billing_interval_count=1)
        said = values.of_mail(contact, recurring_payment=payment)
        rendered.append(render(campaign, said, DeliverySettings.current()))
    assert [one.subject for one in rendered] == ["Ana: Dec 1, 2026", "Jo: Dec 2, 2026"]
    assert "€49.00 every 1 month" in rendered[0].html and "€49.00 every 1 month" in rendered[0].text


def test_an_order_and_its_lines(make_contact: MakeContact) -> None:
    """C019: a receipt with amount and currency right."""
    order = Order.objects.create(
        contact=make_contact(), source="stripe", account="a", external_id="in_1", status="paid", currency="JPY",
        total=1200, placed_at=datetime(2026, 11, 2, tzinfo=UTC),
    )  # fmt: skip
    OrderItem.objects.create(order=order, position=0, name="Tea & <b>cake</b>", quantity=2, amount=1200)
    said = values.of_mail(order.contact, order=Order.objects.with_parts().get())  # type: ignore[arg-type]
    line = "{{ item.quantity }} x {{ item.name }} {{ item.amount }}"
    source = "{{ order.total }}{% for item in order.items %} " + line + "{% endfor %}"
    assert problems(source, kind=AUTOMATED) == []
    assert shown(source, said) == "¥1,200 2 x Tea &amp; &lt;b&gt;cake&lt;/b&gt; ¥1,200"


def test_custom_fields_by_their_type(make_contact: MakeContact) -> None:
    for key, kind in {
        "seats": "number",
        "renews": "date",
        "seen": "datetime",
        "vip": "boolean",
        "plan": "text",
    }.items():
        CustomField.objects.create(key=key, label=key.title(), type=kind)
    custom = {"seats": 12, "renews": "2026-12-24", "seen": "2026-11-21T10:00:00Z", "vip": False}
    said = values.of_mail(make_contact(custom=custom))
    assert shown("{{ contact.fields.renews }} {{ contact.fields.seen }}", said) == "Dec 24, 2026 Nov 21, 2026"
    assert shown("{% if contact.fields.seats > 9 %}many{% endif %}", said) == "many"
    assert shown("{% if contact.fields.vip %}vip{% else %}no{% endif %} {{ contact.fields.vip }}", said) == "no No"
    assert shown("{{ contact.fields.plan | default: 'free' }}", said) == "free"
    assert problems("{{ contact.fields.seats }}", kind=DIRECT) == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("contact.phone", False),
        ("contact.first_name", True),
        ("contact.phone or contact.first_name", True),
        ("contact.phone == ''", True),
        ("contact.phone != ''", False),
        ("contact.phone == blank", True),
        ("contact.phone != empty", False),
        ("contact.phone != blank and contact.first_name", False),
        ("contact.phone contains '1'", False),
    ],
)
def test_what_is_empty_decides_as_no(make_contact: MakeContact, condition: str, holds: bool) -> None:
    """In Liquid an empty text is true: the mail would say “Your order is number .”"""
    said = values.of_mail(make_contact(first_name="Ana", phone=""))
    assert shown(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}", said) == ("yes" if holds else "no")
    assert shown("{% unless contact.phone %}none{% endunless %}{{ contact.phone }}", said) == "none"


def test_amounts_of_an_event_look_like_all_others_of_the_mail(make_contact: MakeContact) -> None:
    """B040: sentences are stored for readers of any language."""
    said = values.of_mail(make_contact(), event={"summary": "Charge succeeded: 4900.00 EUR", "code": "49.00 EUR"})
    assert shown("{{ event.summary }}", said) == "Charge succeeded: €4,900.00"
    assert said["event"]["code"] == "49.00 EUR"


def test_values_are_plain(make_contact: MakeContact, make_payment) -> None:
    """4.5: text and numbers, never objects of ours."""

    def leaves(value: object) -> list[object]:
        if isinstance(value, dict):
            return [leaf for inner in value.values() for leaf in leaves(inner)]
        return [leaf for inner in value for leaf in leaves(inner)] if isinstance(value, list) else [value]

    contact = make_contact()
    payment = make_payment(contact, payment_method_expiration=date(2027, 8, 1))
    said = values.of_mail(contact, recurring_payment=payment, event={"type": "x", "nested": {"a": 1}, "n": None})
    assert {type(leaf) for leaf in leaves(said)} <= {str, int, float, values.YesNo}
    assert said["recurring_payment"]["payment_method_expiration"] == "08/2027"
    assert said["event"] == {"type": "x", "n": ""}


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{% for a in (1..100000000) %}x{% endfor %}",
        "{% for a in (1..900) %}{% for b in (1..900) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a | append: a %}" * 20 + "{{ a }}",
        "{% if a %}" * 3000 + "{% endif %}" * 3000,
        "{{ contact.email " + "| append: 'x' " * 3000 + "}}",
        "{{ '" + "x" * 1_000_000 + "' }}",
        "{% include 'x' %}{% render 'x' %}{% liquid echo 'x' %}",
        "{{ 'x' | safe }}",
        "{{ 'x' | date: '%" + "9" * 100 + "d' }}",
    ],
)
def test_template_attacks_end_soon(source: str, make_contact: MakeContact) -> None:
    """Row 83: refused on save, or stopped when it is filled; never for long."""
    started = time.process_time()
    found = problems(source, kind=AUTOMATED)
    try:
        text = shown(source, values.of_mail(make_contact()))
    except TemplateFault:
        text = ""
    assert time.process_time() - started < 5
    assert found or len(text) <= 200_000
    assert "class" not in text and "object" not in text


def test_ten_thousand_tags_are_checked_quickly() -> None:
    started = time.process_time()
    assert problems("{{ contact.email }} " * 9_000, kind=DIRECT) == []
    assert time.process_time() - started < 10


def test_values_are_written_as_text_never_as_markup(make_contact: MakeContact, make_campaign: MakeCampaign) -> None:
    """Rows 24, 79: names of any kind; a tag inside a value is not a tag."""
    name = "<script>alert(1)</script>{{ contact.email }}\r\nBcc: eve@example.com\u202e'\""
    said = values.of_mail(make_contact(first_name=name))
    mail = render(
        make_campaign(html="<p title='{{ contact.first_name }}'>{{ contact.first_name }}</p>"), said, DeliverySettings()
    )
    assert "<script" not in mail.html and "{{ contact.email }}" in mail.html
    assert "\n" not in mail.subject and "\r" not in mail.subject and "Bcc: eve@example.com" in mail.subject


def test_what_grows_too_long_is_no_mail(make_campaign: MakeCampaign, make_contact: MakeContact) -> None:
    campaign = make_campaign(html="{% for a in (1..999) %}" + "x" * 300 + "{% endfor %}")
    with pytest.raises(CannotRender):
        render(campaign, values.of_mail(make_contact()), DeliverySettings())
    with pytest.raises(CannotRender):
        render(
            make_campaign(subject="{{ contact.phone }}"), values.of_mail(Contact(first_name="A")), DeliverySettings()
        )


@pytest.mark.parametrize(
    ("markup", "value"),
    [("{{ contact.first_name | round }}", "nan"), ("{{ contact.first_name | ceil }}", "inf"),
     ("{{ contact.first_name | date: '%d.%m.%Y' }}", "9" * 20), ("{{ contact.first_name | floor }}", "-inf")],
)  # fmt: skip
def test_a_value_no_filter_can_work_with_is_told_with_its_place(
    make_contact: MakeContact, make_campaign: MakeCampaign, markup: str, value: str
) -> None:
    said = values.of_mail(make_contact(first_name=value))
    with pytest.raises(CannotRender, match=r"HTML: Line 2, column 4: .*cannot work with this contact"):
        render(make_campaign(html=f"<p>Dear\n<b>{markup}</b>"), said, DeliverySettings())


def test_lines_of_an_order_say_only_what_they_have() -> None:
    """B042: within the loop, too, whatever it calls them."""
    good = "{% for line in order.items %}{{ line.name }} {{ line.amount }}{% endfor %}"
    assert problems(good, kind=AUTOMATED) == []
    (found,) = problems(good.replace("line.amount", "line.nmae"), kind=AUTOMATED)
    assert (found.line, found.column) == (1, 49) and "Did you mean “line.name”?" in found.message
