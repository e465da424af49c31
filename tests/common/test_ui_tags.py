"""The small pieces of the screens: badges, avatars, numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.template import Context, Template, TemplateSyntaxError
from django.utils import translation

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def rendered(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


def test_an_icon_beside_words_is_silent_and_one_alone_has_a_name() -> None:
    assert 'aria-hidden="true"' in rendered('{% icon "users" %}')
    assert 'role="img" aria-label="Failed"' in rendered('{% icon "circle-x" "Failed" %}')


def test_a_badge_escapes_its_word() -> None:
    assert rendered('{% badge "ok" word %}', word="<b>") == '<span class="badge badge--ok">&lt;b&gt;</span>'


def test_an_unknown_badge_is_an_error_and_not_a_grey_spot() -> None:
    with pytest.raises(TemplateSyntaxError):
        rendered('{% badge "green" "Active" %}')


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Mara Keller", "MK"), ("Ana María López", "AL"), ("jonas@example.com", "J"), ("", "?"), ("Björk", "B")],
)
def test_an_avatar_shows_the_first_and_the_last_initial(name: str, letters: str) -> None:
    assert f">{letters}</span>" in rendered("{% avatar name %}", name=name)


def test_the_same_name_always_has_the_same_tint() -> None:
    assert rendered("{% avatar name %}", name="Ana") == rendered("{% avatar name %}", name="Ana")


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=12), "12 seconds ago"),
        (timedelta(minutes=59, seconds=50), "59 minutes ago"),
        (timedelta(hours=23, minutes=55), "23 hours ago"),
        (timedelta(days=4), "Nov 17, 2026"),
    ],
)
def test_times_are_relative_under_a_day_and_a_date_after(passed: timedelta, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        assert f">{words}</time>" in rendered("{{ time|ago }}", time=NOW - passed)


def test_a_relative_time_carries_the_exact_one() -> None:
    html = rendered("{{ time|ago }}", time=NOW)
    assert 'datetime="2026-11-21T12:00:00+00:00"' in html
    assert "November 21, 2026" in html


def test_numbers_and_dates_follow_the_readers_language() -> None:
    with translation.override("de"):
        assert rendered("{{ value|number }}", value=3204) == "3.204"
        assert ">17.11.2026</time>" in rendered("{{ value|day }}", value=NOW - timedelta(days=4))


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Order of 4900.00 EUR refunded by 9.00 EUR", "Order of €4,900.00 refunded by €9.00"),
        ("Charge succeeded: 500 JPY", "Charge succeeded: ¥500"),
        ("Invoice paid: 1.250 KWD", "Invoice paid: KWD\xa01.250"),
        # Names of products, phones and versions are not ours to write.
        ("Plan 20 EUR: started", "Plan 20 EUR: started"),
        ("Model 1.2.30 USD", "Model 1.2.30 USD"),
        ("Size 49.00 XXL", "Size 49.00 XXL"),
        ("The 49.00 ABC tag", "The 49.00 ABC tag"),
    ],
)
def test_amounts_of_a_stored_sentence_look_like_all_others(stored: str, shown: str) -> None:
    assert rendered("{{ value|amounts }}", value=stored) == shown


def test_amounts_of_a_stored_sentence_follow_the_readers_language() -> None:
    with translation.override("de"):
        assert rendered("{{ value|amounts }}", value="Order of 4900.00 EUR placed") == "Order of 4.900,00\xa0€ placed"


def test_a_long_name_may_break_after_dots_and_stays_escaped() -> None:
    assert rendered("{{ value|breakable }}", value="a.b_<i>") == "a.<wbr>b_<wbr>&lt;i&gt;"
    assert rendered("{{ value|breakable }}", value="ana@mill.example") == "ana@<wbr>mill.<wbr>example"
