"""Tags and lists of one contact, by hand."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from common.htmx import render_fragment_or_page, target_id
from contacts import editing
from contacts.forms import JoinListForm, TagNameForm
from contacts.models import Contact, ContactList, Tag
from users.roles import require, role_required

SUGGESTED = 200


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def add_tag(request: HttpRequest, pk: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    form = TagNameForm(request.POST or None)
    if form.is_valid():
        name = form.cleaned_data["name"]
        added = editing.add_tag(contact, name, require(request, "marketer"))
        messages.success(request, f"Tag “{name}” added" if added else f"The contact has the tag “{name}” already")
        return redirect(contact)
    suggested = Tag.objects.exclude(contacts=contact).values_list("name", flat=True)[:SUGGESTED]
    return _answer(request, form, contact, "tag", suggested=suggested)


@require_POST
@role_required("marketer")
def remove_tag(request: HttpRequest, pk: int, tag: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    name = get_object_or_404(Tag, pk=tag).name
    if editing.remove_tag(contact, name, require(request, "marketer")):
        messages.success(request, f"Tag “{name}” removed")
    return redirect(contact)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def join_list(request: HttpRequest, pk: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    form = JoinListForm(request.POST or None, contact=contact)
    if form.is_valid():
        joined = form.cleaned_data["list"]
        editing.join_list(contact, joined, require(request, "marketer"))
        messages.success(request, f"Added to list “{joined}”")
        return redirect(contact)
    return _answer(request, form, contact, "list", no_lists=not ContactList.objects.exists())


@require_POST
@role_required("marketer")
def leave_list(request: HttpRequest, pk: int, contact_list: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    left = get_object_or_404(ContactList, pk=contact_list)
    if editing.leave_list(contact, left, require(request, "marketer")):
        messages.success(request, f"Removed from list “{left}”")
    return redirect(contact)


def _answer(request: HttpRequest, form: forms.Form, contact: Contact, noun: str, **extra: object) -> HttpResponseBase:
    """`noun`: tag or list; the templates and the form's id are named after it."""
    context = {"form": form, "contact": contact, **extra}
    fragment = f"contacts/_{noun}_form.html" if target_id(request) == f"{noun}-form" else f"contacts/_add_{noun}.html"
    status = 422 if form.errors else 200
    return render_fragment_or_page(request, f"contacts/add_{noun}.html", fragment, context, status=status)
