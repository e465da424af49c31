from __future__ import annotations

from django import forms

from automations.models import Automation
from contacts.email import email_key
from contacts.models import Contact


class AutomationForm(forms.ModelForm):
    class Meta:
        model = Automation
        fields = ("name", "description", "is_test")
        labels = {"is_test": "For test mode"}
        help_texts = {
            "is_test": "Only events of Stripe test accounts start it, for test contacts. Nothing goes to real people."
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
            "description": forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
        }

    def save(self, commit: bool = True) -> Automation:
        """Its own columns alone: what others do to the automation meanwhile stands."""
        if commit and self.instance.pk:
            self.instance.save(update_fields=[*self.Meta.fields, "updated_at"])
            return Automation.objects.get(pk=self.instance.pk)
        made: Automation = super().save(commit)
        return made


class ContactForm(forms.Form):
    """A contact by its email address, of test mode or live as the automation is."""

    address = forms.CharField(
        label="Email address of the contact",
        max_length=320,
        widget=forms.TextInput(attrs={"type": "email", "autocomplete": "off", "list": "contact-addresses"}),
    )
    contact: Contact

    def __init__(self, *args: object, is_test: bool | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.is_test = is_test

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"].strip()
        try:
            found = Contact.objects.present().filter(email_key=email_key(address)).order_by("is_test")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        contact = found.first() if self.is_test is None else found.filter(is_test=self.is_test).first()
        if contact is None:
            raise forms.ValidationError(_nobody(bool(found), self.is_test))
        self.contact = contact
        return address


def _nobody(has_other: bool, is_test: bool | None) -> str:
    if not has_other:
        return "No contact has this address."
    if is_test:
        return "This is a real contact. The automation is for test mode, so only test contacts may enter."
    return "This contact belongs to test mode. The automation is for real contacts."
