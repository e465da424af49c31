"""Pasting the key of an account."""

from __future__ import annotations

import re

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from connections.sources.base import SourceError
from connections.sources.stripe.listing import key_link

_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_]")
_WHERE = _(
    "In Stripe: {} &gt; Live keys &gt; secret key. Safer is a key that may only do what Millrace needs: {}, its "
    "rights are filled in."
)
KEYS_PAGE = "https://dashboard.stripe.com/apikeys"
ACTIVATION_PAGE = "https://dashboard.stripe.com/account/onboarding"


def _link(url: str, words: str) -> SafeString:
    return format_html('<a href="{}" target="_blank" rel="noopener">{}</a>', url, words)


def _where_the_key_is() -> SafeString:
    return format_html(
        str(_WHERE), _link(KEYS_PAGE, "Developers > API keys"), _link(key_link("Millrace"), "create a restricted key")
    )


class ConnectForm(forms.Form):
    """One secret and a consent. The key is never sent back to the browser, whatever happens."""

    # Our own sentences at the field say more than the browser's.
    use_required_attribute = False

    key = forms.CharField(
        label=_("Stripe secret key"),
        max_length=500,
        widget=forms.PasswordInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
                "class": "mono-input",
                "placeholder": "sk_live_… or rk_live_…",
            }
        ),
        error_messages={"required": _("Paste the secret key of your Stripe account.")},
    )
    consent = forms.BooleanField(
        label=_(
            "Allow access to this account: Millrace reads customers, charges, subscriptions, invoices, Checkout "
            "Sessions, payments, payment methods, products, prices, disputes and events, and writes its own webhook "
            "endpoint. Nothing else is changed in Stripe."
        ),
        # The browser asks for it before sending: a refused form comes back without the key.
        widget=forms.CheckboxInput(attrs={"required": True}),
        error_messages={"required": _("Tick this box to allow access to the account.")},
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["key"].help_text = _where_the_key_is()

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        # It travels in a header, which takes no letters beyond these; the rest is said by Stripe or about prefixes.
        if _NOT_IN_A_KEY.search(key):
            raise forms.ValidationError(
                _("A Stripe key has only letters, digits and underscores. Copy it again, without anything around it.")
            )
        return key

    def refuse(self, error: SourceError) -> None:
        """Say beside the field why Stripe, or we, do not take the key."""
        sentence: str | SafeString = error.message
        if error.code == "already_connected":
            words = gettext("Open the account")
            sentence = format_html('{} <a href="{}">{}</a>', sentence, reverse("connections:app"), words)
        elif error.code == "not_activated":
            sentence = format_html("{} {}", sentence, _link(ACTIVATION_PAGE, gettext("Activate the account")))
        self.add_error("key", forms.ValidationError(sentence, code=error.code))
