"""One mail, filled with one recipient's values: subject, HTML and text as they go out."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Callable
from dataclasses import dataclass

from campaigns import plain_text
from campaigns.cleaning import clean
from campaigns.models import Campaign, DeliverySettings
from campaigns.templating import Problem, TemplateFault, fill, parse
from campaigns.values import Values

LONGEST_SUBJECT = 300
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# The library that cleans writes attributes in double quotes, so one pattern finds every link.
_LINK = re.compile(r'<a((?:\s+[\w:-]+="[^"]*")*?)\s+href="([^"]*)"')
# What a mail looks like where its own HTML says nothing.
_LOOK = "margin:0;padding:16px;font:15px/1.5 Helvetica,Arial,sans-serif;color:#1f2430;background:#ffffff"
_LABELS = {"subject": "Subject", "preheader": "Preview text", "html": "HTML", "text": "Text"}


class CannotRender(Exception):
    """Why this mail cannot be made, in words; trying again does not help."""


@dataclass(frozen=True)
class Rendered:
    """`html` is empty for a mail of text alone."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Tracking:
    """How links and opens of one mail are followed: what stands in place of a link, and the picture's address."""

    link: Callable[[str], str] | None = None
    picture: str = ""


def render(
    campaign: Campaign, values: Values, delivery: DeliverySettings, tracking: Tracking | None = None
) -> Rendered:
    """CannotRender when the template goes over its limits with these values, or the mail would be empty."""
    tracking = tracking or Tracking()
    unsubscribe = str(values.get("unsubscribe_url") or "")
    subject = one_line(_fill(campaign, "subject", values))[:LONGEST_SUBJECT]
    body = clean(_fill(campaign, "html", values, is_html=True)).strip()
    if not subject:
        raise CannotRender("The subject is empty.")
    text = _fill(campaign, "text", values).strip() or plain_text.from_html(body)
    if not text and not body:
        raise CannotRender("The mail has no content.")
    text = _with_text_footer(text, unsubscribe, delivery)
    if not body:
        return Rendered(subject, "", text)
    if unsubscribe and unsubscribe not in body:
        body += _footer(unsubscribe, delivery)
    if tracking.link:
        body = _followed(body, tracking.link, unsubscribe)
    return Rendered(subject, _document(campaign, values, subject, body, tracking.picture), text)


def one_line(text: str) -> str:
    """Without control characters: what goes into a header cannot begin another one."""
    return " ".join(_CONTROL.sub(" ", text).split())


def problem_page(problem: Problem | str) -> str:
    """What a preview shows when there is nothing to show."""
    return f"<!DOCTYPE html><title>-</title><p>{markup.escape(str(problem))}</p>"


def _fill(campaign: Campaign, part: str, values: Values, *, is_html: bool = False) -> str:
    source = getattr(campaign, part)
    try:
        return fill(parse(source, is_html=is_html), values, source)
    except TemplateFault as fault:
        raise CannotRender(f"{_LABELS[part]}: {fault.problem}") from fault


def _document(campaign: Campaign, values: Values, subject: str, body: str, picture: str) -> str:
    preheader = one_line(_fill(campaign, "preheader", values))
    hidden = "display:none;max-height:0;overflow:hidden;mso-hide:all"
    before = f'<div style="{hidden}">{markup.escape(preheader)}</div>' if preheader else ""
    after = f'<img src="{markup.escape(picture)}" width="1" height="1" alt="">' if picture else ""
    head = (
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{markup.escape(subject)}</title>'
    )
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8">{head}</head>'
        f'<body style="{_LOOK}">{before}{body}{after}</body></html>'
    )


def _footer(unsubscribe: str, delivery: DeliverySettings) -> str:
    lines = [markup.escape(line) for line in (delivery.sender_name, delivery.postal_address) if line]
    lines.append(f'<a href="{markup.escape(unsubscribe)}" style="color:#6b7280">Unsubscribe</a>')
    style = "margin:32px 0 0;font:12px/1.6 sans-serif;color:#6b7280;text-align:center"
    return f'<p style="{style}">{"<br>".join(lines)}</p>'


def _with_text_footer(text: str, unsubscribe: str, delivery: DeliverySettings) -> str:
    if not unsubscribe or unsubscribe in text:
        return text
    lines = [line for line in (delivery.sender_name, delivery.postal_address) if line]
    return "\n".join([text, "", "-- ", *lines, f"Unsubscribe: {unsubscribe}"])


def _followed(body: str, link: Callable[[str], str], unsubscribe: str) -> str:
    """Every link to the web leads through us, but the one that leads to us anyway."""

    def replace(match: re.Match[str]) -> str:
        target = markup.unescape(match[2])
        if not target.startswith(("https://", "http://")) or target == unsubscribe:
            return match[0]
        return f'<a{match[1]} href="{markup.escape(link(target))}"'

    return _LINK.sub(replace, body)
