"""The published list of supported events, written from the table the code works by: python -m tests.event_docs."""

from __future__ import annotations

from pathlib import Path

from connections.sources.stripe import API_VERSION, events

PAGE = Path(__file__).resolve().parent.parent / "docs" / "events.md"
NAMES = {
    "charge": "Charge",
    "customer": "Customer",
    "subscription": "Subscription",
    "invoice": "Invoice",
    "checkout_session": "Checkout Session",
}
HEAD = f"""# Supported Stripe events

Millrace syncs the events of this page and no others. It is written from `connections/sources/stripe/events.py`
(`python -m tests.event_docs`), and a test holds the two together. Webhook endpoints are pinned to Stripe's API version
`{API_VERSION}`; events in older shapes are read too.

Each event creates or updates its contact, puts the tags `stripe-integration` and `stripe-integration-` + the event's
name on it, and leaves one row in the sync log. *On* says whether the event is switched on when the resource is
connected; every switch can be changed, in the wizard and later on the resource's page.

An event that is not listed, or is switched off, is answered 200 and logged as “ignored” with the reason. Its
body is not kept.
"""
SUPPORTING = """## Supporting events

These are asked for as a resource needs them. They refresh objects Millrace holds already, such as the customer behind
a charge; alone they make no contact, no tag and no row in the log.

| Resource | Also listens to |
|---|---|
"""


def render() -> str:
    parts = [HEAD]
    for kind in events.RESOURCES:
        rows = [f"| `{event.type}` | {event.label} | {'yes' if event.on else 'no'} |" for event in events.offered(kind)]
        parts.append("\n".join([f"## {NAMES[kind]}\n", "| Event | Shown as | On |", "|---|---|---|", *rows, ""]))
    rows = [f"| {NAMES[kind]} | {', '.join(f'`{one}`' for one in events.SUPPORTING[kind])} |" for kind in NAMES]
    return "\n".join([*parts, SUPPORTING + "\n".join(rows) + "\n"])


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
