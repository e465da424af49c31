"""What a person can get wrong about people, told beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation

from users.models import Invitation, Role, User


class InvitationForm(forms.Form):
    email = forms.EmailField(label="Email", max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.STAFF)

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError("This person already has an account.")
        return email


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["name"]


class AcceptForm(forms.Form):
    """The email is asked for only where the invitation names none: on the first start."""

    email = forms.EmailField(label="Email", max_length=254)
    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters, and not one of the common passwords.",
    )

    def __init__(self, invitation: Invitation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        if invitation.email:
            del self.fields["email"]

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        # Only an invitation made out to an address may set that account's password.
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError("This email address already has an account.")
        return email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        person = User(email=self.invitation.email, name=self.data.get("name", ""))
        password_validation.validate_password(password, person)
        return password
