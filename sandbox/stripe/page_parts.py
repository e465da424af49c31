"""The pieces of the control page."""

import time
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .forms import Json

if TYPE_CHECKING:
    from .book import Book
    from .world import Account, World

# Currencies of the demo that do not count in hundredths.
PLACES = {"jpy": 0, "kwd": 3}
STYLE = Path(__file__).with_name("page.css").read_text()


def frame(body: str, told: str, base_url: str) -> str:
    status = f'<p role="status">{escape(told)}</p>' if told else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Stripe sandbox</title>'
        '<link rel="icon" href="data:,">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        '<header><h1>Stripe sandbox</h1><p class="quiet">A small Stripe of our own. '
        f"API base: <code>{escape(base_url)}</code>. "
        f"Nothing here is real; no key works anywhere else.</p></header><main>{status}{body}</main></body></html>"
    )


def tabs(world: "World", account: "Account", livemode: bool) -> str:
    links = []
    for one in world.accounts.values():
        current = ' aria-current="page"' if one is account else ""
        links.append(f'<a href="/?account={one.id}"{current}>{escape(one.name)}</a>')
    modes = []
    for mode, label in (("live", "Live mode"), ("test", "Test mode")):
        current = ' aria-current="page"' if (mode == "live") is livemode else ""
        modes.append(f'<a href="/?account={account.id}&amp;mode={mode}"{current}>{label}</a>')
    return f'<nav aria-label="Accounts">{"".join(links)}</nav><nav aria-label="Mode">{"".join(modes)}</nav>'


def keys(account: "Account", livemode: bool) -> str:
    rows = []
    for key in account.keys:
        if key.livemode is livemode:
            label = ", ".join(filter(None, (f"{key.kind} key", key.label)))
            field = f'<input class="key" readonly aria-label="{escape(label)}" value="{escape(key.secret)}">'
            rows.append(f"<tr><td>{escape(label)}</td><td>{field}</td></tr>")
    local = "accepts" if account.local_webhooks else "refuses"
    return section(
        "Keys", f"<table>{''.join(rows)}</table><p class='quiet'>{account.id}: {local} local webhook addresses.</p>"
    )


def money(amount: int, currency: str) -> str:
    """An amount in the smallest unit as people write it: 109450, usd -> 1,094.50 USD."""
    places = PLACES.get(currency, 2)
    return f"{amount / 10**places:,.{places}f} {currency.upper()}"


def section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def form(account: "Account", livemode: bool, do: str, label: str, inner: str = "", **hidden: Any) -> str:
    """A form with one button; hidden fields say where and what."""
    fields = {"account": account.id, "mode": "live" if livemode else "test", "do": do, **hidden}
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{escape(str(value))}">' for name, value in fields.items()
    )
    return f'<form method="post" action="/">{inputs}{inner}<button>{escape(label)}</button></form>'


def buttons(account: "Account", livemode: bool, newest: Json) -> str:
    """Scenario buttons: new things, and what can happen to the newest customer, subscription and charge."""

    def button(do: str, label: str, inner: str = "", **hidden: Any) -> str:
        return form(account, livemode, do, label, inner, **hidden)

    email = '<input name="email" type="email" placeholder="mia@shop.example" aria-label="E-mail">'
    name = '<input name="name" placeholder="Mia Okafor" aria-label="Name">'
    count = '<input name="count" type="number" value="1000" min="1" max="200000" aria-label="How many customers">'
    actions = button("create_customer", "Create customer", name + email)
    actions += button("subscribe", "Subscribe someone new") + button("subscribe", "Start a trial", trial_days=14)
    actions += button("buy", "Buy by Checkout", email) + button("grow", "Add so many customers", count)
    rows = [("New", actions)]
    if newest["customer"]:
        who = newest["customer"]
        phone = '<input name="phone" placeholder="+49 30 901820" aria-label="Phone">'
        actions = button("update_customer", "Update", name + phone, customer=who["id"])
        actions += button("subscribe", "Subscribe", customer=who["id"]) + button("buy", "Buy", customer=who["id"])
        actions += button("one_off_charge", "Charge", customer=who["id"]) + button(
            "delete_customer", "Delete", customer=who["id"]
        )
        rows.append((f"Newest customer: {who['name'] or who['email'] or who['id']}", actions))
    if newest["subscription"]:
        chosen = newest["subscription"]
        names = (
            "renew",
            "fail_payment",
            "recover",
            "pause",
            "resume",
            "trial_will_end",
            "end_trial",
            "upcoming_invoice",
            "cancel",
        )
        actions = "".join(button(one, one.replace("_", " ").capitalize(), subscription=chosen["id"]) for one in names)
        actions += button("cancel", "Cancel at period end", subscription=chosen["id"], at_period_end=1)
        rows.append((f"Newest subscription: {chosen['id']} ({chosen['status']})", actions))
    if newest["charge"]:
        charge = newest["charge"]
        half = '<input name="amount" type="number" placeholder="all" aria-label="Amount in the smallest unit">'
        actions = button("refund", "Refund", half, charge=charge["id"]) + button(
            "dispute", "Dispute", charge=charge["id"]
        )
        rows.append((f"Newest charge: {money(charge['amount'], charge['currency'])}", actions))
    return section(
        "Make something happen", "".join(f"<p><strong>{escape(title)}</strong></p>{actions}" for title, actions in rows)
    )


def knobs(world: "World", account: "Account", livemode: bool) -> str:
    now, knob = world.deliveries, world.deliveries.knobs
    options = "".join(f"<option>{status}</option>" for status in (401, 403, 429, 500, 503))
    status = f'<select name="status" aria-label="Status">{options}</select>'
    status += '<input name="count" type="number" value="1" min="1" aria-label="How many">'
    switch = "false" if knob.automatic else "true"
    body = form(
        account, livemode, "knobs", "Hold deliveries" if knob.automatic else "Deliver by itself", automatic=switch
    )
    body += form(account, livemode, "deliver", f"Send what waits ({len(now.waiting)})")
    body += form(account, livemode, "knobs", "Lose the next one", lose=1) + form(
        account, livemode, "knobs", "Double the next one", double=1
    )
    body += form(account, livemode, "fault", "Answer with this error", status) + form(
        account, livemode, "clear", f"Clear faults ({len(world.faults.ordered)})"
    )
    return section("Deliveries and faults", body)


def endpoints(book: "Book") -> str:
    rows = [
        f"<tr><td><code>{row['id']}</code></td><td>{escape(row['url'])}</td><td>{row['status']}</td>"
        f"<td>{len(row['enabled_events'])} types</td>"
        f"<td>{row['api_version'] or 'account default'}</td></tr>"
        for row in book.collection("webhook_endpoint").newest_first()
    ]
    return section("Webhook endpoints", f"<table>{''.join(rows)}</table>" if rows else "<p class='quiet'>None yet.</p>")


def recent_events(world: "World", book: "Book") -> str:
    last = {attempt["event"]: attempt for attempt in world.deliveries.attempts}
    rows = []
    for event, _ in zip(book.collection("event").newest_first(), range(25), strict=False):
        attempt = last.get(event["id"])
        outcome = (
            f"{attempt['status'] or attempt['answer']}, attempt {attempt['attempt']}" if attempt else "not delivered"
        )
        moment = time.strftime("%d %b %H:%M:%S", time.gmtime(event["created"]))
        again = form(book.account, book.livemode, "resend", "Resend", event=event["id"])
        rows.append(
            f"<tr><td>{moment}</td><td>{event['type']}</td><td><code>{event['id']}</code></td><td>{escape(str(outcome))}</td><td>{again}</td></tr>"
        )
    return section(
        "Recent events (UTC)", f"<table>{''.join(rows)}</table>" if rows else "<p class='quiet'>None yet.</p>"
    )
