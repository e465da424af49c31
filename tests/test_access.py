"""Who may open what: every address of the product, as somebody signed out and as each role.

A new page is one more line in ACCESS. An address that is missing here fails, and so does a line without an address.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import IntConverter, UUIDConverter

from tests.conftest import signed_in
from users.models import Role, User

EVERYBODY = "everybody"  # pages made for strangers: no sign-in

ACCESS: dict[str, str] = {
    "home": Role.STAFF,
    "health": EVERYBODY,
    "hooks-stripe": EVERYBODY,  # signed by Stripe
    # Sign-in
    "account_login": EVERYBODY,
    "account_logout": EVERYBODY,
    "account_inactive": EVERYBODY,
    "account_reset_password": EVERYBODY,
    "account_reset_password_done": EVERYBODY,
    "account_reset_password_from_key": EVERYBODY,
    "account_reset_password_from_key_done": EVERYBODY,
    "accept_invitation": EVERYBODY,
    "account_reauthenticate": Role.STAFF,
    "account_change_password": Role.STAFF,
    # Contacts
    "contacts:list": Role.STAFF,
    "contacts:detail": Role.STAFF,
    "contacts:activity": Role.STAFF,
    "contacts:export": Role.MARKETER,
    "contacts:create": Role.MARKETER,
    "contacts:edit": Role.MARKETER,
    "contacts:add-tag": Role.MARKETER,
    "contacts:remove-tag": Role.MARKETER,
    "contacts:join-list": Role.MARKETER,
    "contacts:leave-list": Role.MARKETER,
    "contacts:merge": Role.MARKETER,
    "contacts:merge-with": Role.MARKETER,
    "contacts:merge-undo": Role.MARKETER,
    "contacts:fields": Role.MARKETER,
    "contacts:field-create": Role.MARKETER,
    "contacts:field-edit": Role.MARKETER,
    "contacts:field-delete": Role.MARKETER,
    "contacts:field-up": Role.MARKETER,
    "contacts:field-down": Role.MARKETER,
    "contacts:tags": Role.MARKETER,
    "contacts:tag-rename": Role.MARKETER,
    "contacts:tag-delete": Role.MARKETER,
    "contacts:lists": Role.MARKETER,
    "contacts:list-create": Role.MARKETER,
    "contacts:list-edit": Role.MARKETER,
    "contacts:list-delete": Role.MARKETER,
    # Recurring payments
    "recurring_payments:list": Role.STAFF,
    "recurring_payments:detail": Role.STAFF,
    "recurring_payments:export": Role.MARKETER,
    # The wizard
    "connections:connect": Role.MARKETER,
    "connections:add-resource": Role.MARKETER,
    "connections:wizard-resource": Role.MARKETER,
    "connections:wizard-map": Role.MARKETER,
    "connections:wizard-finish": Role.MARKETER,
    "connections:wizard-discard": Role.MARKETER,
    "connections:edit-mapping": Role.MARKETER,
    # Apps
    "connections:apps": Role.MARKETER,
    "connections:connected": Role.MARKETER,
    "connections:app": Role.MARKETER,
    "connections:recent": Role.MARKETER,
    "connections:facts": Role.MARKETER,
    "connections:webhooks": Role.MARKETER,
    "connections:endpoints": Role.MARKETER,
    "connections:repair": Role.MARKETER,
    "connections:poll-now": Role.MARKETER,
    "connections:check-now": Role.MARKETER,
    "connections:read-again": Role.MARKETER,
    "connections:checks": Role.MARKETER,
    "connections:replace-key": Role.ADMIN,
    "connections:disconnect": Role.ADMIN,
    "connections:resource": Role.MARKETER,
    "connections:statuses": Role.MARKETER,
    "connections:resource-remove": Role.ADMIN,
    "connections:history-start": Role.MARKETER,
    "connections:history-pause": Role.MARKETER,
    "connections:history-resume": Role.MARKETER,
    "connections:history-cancel": Role.MARKETER,
    "connections:progress": Role.MARKETER,
    "connections:log": Role.MARKETER,
    "connections:waiting": Role.MARKETER,
    "connections:log-entry": Role.MARKETER,
    "connections:replay": Role.MARKETER,
    "connections:dismiss": Role.MARKETER,
    "connections:replay-selection": Role.MARKETER,
    "connections:bulk-replay": Role.MARKETER,
    "connections:bulk-replay-stop": Role.MARKETER,
    "connections:updates": Role.MARKETER,
    "connections:updates-retry": Role.MARKETER,
    "connections:update-dismiss": Role.MARKETER,
    # Orders
    "orders:list": Role.STAFF,
    "orders:detail": Role.STAFF,
    "orders:export": Role.MARKETER,
    # Campaigns
    "campaigns:list": Role.STAFF,
    "campaigns:detail": Role.STAFF,
    "campaigns:tags": Role.STAFF,
    "campaigns:frame": Role.STAFF,
    "campaigns:copy-frame": Role.STAFF,
    "campaigns:mail": Role.STAFF,
    "campaigns:progress": Role.STAFF,
    "campaigns:mailbox": Role.STAFF,
    "campaigns:mailbox-mail": Role.STAFF,
    "campaigns:create": Role.MARKETER,
    "campaigns:edit": Role.MARKETER,
    "campaigns:draft-frame": Role.MARKETER,
    "campaigns:duplicate": Role.MARKETER,
    "campaigns:archive": Role.MARKETER,
    "campaigns:restore": Role.MARKETER,
    "campaigns:test-mail": Role.MARKETER,
    "campaigns:recipients": Role.MARKETER,
    "campaigns:count": Role.MARKETER,
    "campaigns:send": Role.MARKETER,
    "campaigns:cancel": Role.MARKETER,
    "campaigns:retry": Role.MARKETER,
    "campaigns:resend": Role.MARKETER,
    "campaigns:subscribe": Role.MARKETER,
    "campaigns:unsubscribe-contact": Role.MARKETER,
    "campaigns:delivery": Role.ADMIN,
    # What the recipient of a mail reaches, by a signed link; what a mail provider tells, by a secret
    "campaigns:opened": EVERYBODY,
    "campaigns:clicked": EVERYBODY,
    "campaigns:unsubscribe": EVERYBODY,
    "campaigns:hooks-mail": EVERYBODY,
    # Settings
    "users:settings": Role.STAFF,
    "users:profile": Role.STAFF,
    "users:manage-data": Role.MARKETER,
    "users:fields": Role.MARKETER,
    "users:field-order": Role.MARKETER,
    "users:people": Role.ADMIN,
    "users:invite": Role.ADMIN,
    "users:revoke_invitation": Role.ADMIN,
    "users:change_role": Role.ADMIN,
    "users:password_link": Role.ADMIN,
    "users:activate": Role.ADMIN,
    "users:deactivate": Role.ADMIN,
    "users:audit_log": Role.ADMIN,
    # Destinations
    "destinations:list": Role.MARKETER,
    "destinations:detail": Role.MARKETER,
    "destinations:delivery": Role.MARKETER,
    "destinations:resend": Role.MARKETER,
    "destinations:dismiss": Role.MARKETER,
    "destinations:test": Role.MARKETER,
    "destinations:failure-mails": Role.MARKETER,
    "destinations:failure-mails-of": Role.MARKETER,
    "destinations:add-webhook": Role.ADMIN,
    "destinations:add-customerio": Role.ADMIN,
    "destinations:edit": Role.ADMIN,
    "destinations:credentials": Role.ADMIN,
    "destinations:rotate": Role.ADMIN,
    "destinations:disable": Role.ADMIN,
    "destinations:enable": Role.ADMIN,
    "destinations:delete": Role.ADMIN,
    # Automations
    "automations:list": Role.STAFF,
    "automations:create": Role.MARKETER,
    "automations:recipes": Role.STAFF,
    "automations:recipe-use": Role.MARKETER,
    "automations:runs": Role.STAFF,
    "automations:run": Role.STAFF,
    "automations:run-retry": Role.MARKETER,
    "automations:run-end": Role.MARKETER,
    "automations:run-dismiss": Role.MARKETER,
    "automations:detail": Role.STAFF,
    "automations:settings": Role.MARKETER,
    "automations:activate": Role.MARKETER,
    "automations:pause": Role.MARKETER,
    "automations:resume": Role.MARKETER,
    "automations:duplicate": Role.MARKETER,
    "automations:archive": Role.MARKETER,
    "automations:start": Role.MARKETER,
    "automations:start-contact": Role.MARKETER,
    "automations:restore": Role.MARKETER,
    "automations:undo": Role.MARKETER,
    "automations:automation-runs": Role.STAFF,
    "automations:retry-failed": Role.MARKETER,
    "automations:dismiss-failed": Role.MARKETER,
    "automations:walk": Role.MARKETER,
    "automations:exits": Role.MARKETER,
    "automations:trigger-choose": Role.MARKETER,
    "automations:trigger-add": Role.MARKETER,
    "automations:trigger": Role.MARKETER,
    "automations:trigger-remove": Role.MARKETER,
    "automations:step-choose": Role.MARKETER,
    "automations:step-add": Role.MARKETER,
    "automations:step": Role.MARKETER,
    "automations:step-shift": Role.MARKETER,
    "automations:step-move": Role.MARKETER,
    "automations:step-remove": Role.MARKETER,
    # Segments
    "segments:list": Role.STAFF,
    "segments:detail": Role.STAFF,
    "segments:count": Role.STAFF,
    "segments:builder": Role.STAFF,
    "segments:estimate": Role.STAFF,
    "segments:search": Role.STAFF,
    "segments:create": Role.MARKETER,
    "segments:edit": Role.MARKETER,
    "segments:duplicate": Role.MARKETER,
    "segments:delete": Role.MARKETER,
}

# What an address needs where a number or a word of any kind would not fit its pattern.
ARGUMENTS: dict[str, dict[str, object]] = {
    "account_reset_password_from_key": {"uidb36": "1", "key": "a-b"},
}


def patterns(resolver: URLResolver, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from patterns(entry, inner)
        elif not str(entry.pattern).startswith("static/"):
            yield f"{namespace}{entry.name}", entry


PATTERNS = dict(patterns(get_resolver()))


def address(name: str) -> str:
    """An address of this name; its numbers belong to nothing that exists."""
    if name in ARGUMENTS:
        return reverse(name, kwargs=ARGUMENTS[name])
    converters = PATTERNS[name].pattern.converters
    return reverse(name, kwargs={key: _sample(converter) for key, converter in converters.items()})


def _sample(converter: object) -> object:
    if isinstance(converter, IntConverter):
        return 987654321
    if isinstance(converter, UUIDConverter):
        return "00000000-0000-4000-8000-000000000000"
    return "nothing"


def test_every_address_is_in_the_table() -> None:
    assert sorted(PATTERNS) == sorted(ACCESS)


def asks_for_sign_in(client: Client, path: str, method: str) -> bool:
    response = client.generic(method, path)
    return response.status_code == 302 and response["Location"].startswith(reverse(settings.LOGIN_URL) + "?next=")


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", sorted(ACCESS))
def test_a_stranger_sees_only_what_is_made_for_strangers(client: Client, name: str, method: str) -> None:
    assert asks_for_sign_in(client, address(name), method) == (ACCESS[name] != EVERYBODY)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("name", sorted(name for name, least in ACCESS.items() if least != EVERYBODY))
def test_a_role_is_refused_exactly_what_is_above_it(
    request: pytest.FixtureRequest, name: str, role: str, method: str
) -> None:
    user: User = request.getfixturevalue(role)
    client = signed_in(user)
    client.raise_request_exception = False
    status = client.generic(method, address(name)).status_code
    refused = Role(ACCESS[name]).rank > Role(role).rank
    assert status < 500
    # A method that a page does not know is refused before roles are asked, which tells nobody anything.
    assert status in ({403, 405} if refused else {200, 204, 302, 400, 404, 405, 410, 422})
