"""Settings: the systems things are sent to. Marketers see and use them, admins hold their credentials."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations.destinations import customerio, queueing, setup, signing
from automations.destinations.forms import (
    CredentialsForm,
    CustomerioEditForm,
    CustomerioForm,
    DeliveryFilter,
    WebhookForm,
)
from automations.destinations.models import Delivery, Destination
from automations.destinations.sending import UNREADABLE
from common.due import State, database_now
from common.encryption import SecretUnreadable, seal, unseal
from common.htmx import render_fragment_or_page
from contacts.views.layers import Layer, confirm_layer, form_layer
from users import audit
from users.roles import role_required

PER_PAGE = 50
PARENT = "Destinations"
_SHOWN = "session:webhook:{}"


@require_safe
@role_required("marketer")
def destinations(request: HttpRequest) -> HttpResponseBase:
    waiting, failed = setup.waiting_and_failed()
    rows = [(one, waiting.get(one.pk, 0), failed.get(one.pk, 0)) for one in Destination.objects.all()]
    return render(request, "automations/destinations/list.html", {"destinations": rows})


@never_cache
@require_safe
@role_required("marketer")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The destination, and the log of what was sent there."""
    destination = get_object_or_404(Destination.objects.select_related("host"), pk=pk)
    form = DeliveryFilter(request.GET)
    page = Paginator(_chosen(destination, form), PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"destination": destination, "form": form, "page": page}
    context |= {"used_by": setup.used_by(destination), "waiting": setup.waiting(destination), "now": database_now()}
    if destination.pk == request.session.get("webhook_secret", {}).get("pk") and request.user.is_admin:  # type: ignore[union-attr]
        # Shown once, right after it was made.
        kept = request.session.pop("webhook_secret")["sealed"]
        context["secret"] = unseal(kept.encode(), owner=_SHOWN.format(pk)).open()
    return render_fragment_or_page(
        request, "automations/destinations/detail.html", "automations/destinations/_deliveries.html", context
    )


def _chosen(destination: Destination, form: DeliveryFilter) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(destination=destination).select_related("contact", "destination").order_by("-pk")
    chosen = form.cleaned_data if form.is_valid() else {}
    if state := chosen.get("state"):
        rows = rows.filter(state__in=[State.DUE, State.RUNNING] if state == "due" else [state])
    if words := chosen.get("q"):
        about = Q(event_name__icontains=words) | Q(contact__email_key__istartswith=words)
        rows = rows.filter(about)
    return rows


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def add_webhook(request: HttpRequest) -> HttpResponseBase:
    form = WebhookForm(request.POST or None)
    layer = Layer("Add webhook", "Add webhook", PARENT, reverse("destinations:list"))
    if request.method != "POST" or not form.is_valid():
        return form_layer(request, layer, form)
    destination = form.save(commit=False)
    destination.created_by = request.user
    _show_once(request, destination, setup.add_webhook(destination))
    audit.record(request, "added destination", destination, url=destination.url)
    messages.success(request, f"{destination} is added.")
    return redirect(destination)


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def add_customerio(request: HttpRequest) -> HttpResponseBase:
    form = CustomerioForm(request.POST or None)
    layer = Layer("Connect Customer.io", "Connect", PARENT, reverse("destinations:list"))
    if request.method != "POST" or not form.is_valid():
        return form_layer(request, layer, form)
    destination = form.save(commit=False)
    destination.created_by = request.user
    setup.add_customerio(destination, form.key)
    audit.record(request, "added destination", destination, region=destination.region)
    messages.success(request, f"{destination} is connected.")
    return redirect(destination)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    destination = get_object_or_404(Destination, pk=pk)
    form_class = WebhookForm if destination.is_webhook else CustomerioEditForm
    form = form_class(request.POST or None, instance=destination)
    before = {name: getattr(destination, name) for name in form.fields}
    layer = Layer(f"Edit “{destination}”", "Save destination", PARENT, destination.get_absolute_url())
    if request.method != "POST" or not form.is_valid():
        return form_layer(request, layer, form)
    setup.change(form.instance)
    changes = {name: (old, getattr(form.instance, name)) for name, old in before.items()}
    audit.record(request, "changed destination", form.instance, **changes)
    messages.success(request, f"{form.instance} is saved.")
    return redirect(form.instance)


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def credentials(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Other credentials of Customer.io; what was held leaves then."""
    destination = get_object_or_404(Destination.objects.all().customerio(), pk=pk)
    before = destination.key_hint
    form = CredentialsForm(request.POST or None, instance=destination)
    layer = Layer("Replace credentials", "Replace credentials", PARENT, destination.get_absolute_url())
    if request.method != "POST" or not form.is_valid():
        return form_layer(request, layer, form)
    setup.replace_credentials(form.instance, form.key)
    audit.record(request, "replaced credentials", form.instance, key=(before, form.instance.key_hint))
    messages.success(request, f"The credentials of {form.instance} are replaced. What waited is sent now.")
    return redirect(form.instance)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def rotate(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A new signing secret; the old one signs along for a day."""
    destination = get_object_or_404(Destination.objects.all().webhooks(), pk=pk)
    sentence = (
        "For 24 hours each message is signed with both, the old and the new secret, so that you can change it in the "
        "receiver without losing any."
    )
    back = destination.get_absolute_url()
    if request.method != "POST":
        return confirm_layer(request, Layer("Make a new signing secret?", "Make new secret", PARENT, back, sentence))
    before = destination.secret_hint
    _show_once(request, destination, signing.give_secret(destination))
    audit.record(request, "rotated secret", destination, secret=(before, destination.secret_hint))
    return redirect(destination)


@require_POST
@role_required("marketer")
def test(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A webhook gets a message that says it is a test; Customer.io is asked whether it knows the credentials."""
    destination = get_object_or_404(Destination, pk=pk)
    if destination.is_webhook:
        return redirect(queueing.trial(destination))
    try:
        key = destination.open("api_key")
        customerio.check(destination.region, destination.site_id, key.open() if key else "")
    except customerio.CredentialsRefused as error:
        messages.error(request, str(error))
    except SecretUnreadable:
        messages.error(request, f"{UNREADABLE} Enter the credentials again.")
    else:
        messages.success(request, "Customer.io takes the credentials.")
    return redirect(destination)


@require_POST
@role_required("admin")
def disable(request: HttpRequest, pk: int) -> HttpResponseBase:
    destination = get_object_or_404(Destination, pk=pk)
    setup.disable(destination)
    audit.record(request, "disabled destination", destination)
    messages.success(request, f"{destination} is disabled. What is due for it waits.")
    return redirect(destination)


@require_POST
@role_required("admin")
def enable(request: HttpRequest, pk: int) -> HttpResponseBase:
    destination = get_object_or_404(Destination, pk=pk)
    setup.enable(destination)
    audit.record(request, "enabled destination", destination)
    messages.success(request, f"{destination} is enabled. What waited is sent now.")
    return redirect(destination)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Only while no automation sends there. Its log goes as well."""
    destination = get_object_or_404(Destination, pk=pk)
    if using := setup.used_by(destination):
        names = ", ".join(f"“{automation}”" for automation in using[:3])
        messages.error(request, f"{destination} is used by {names}. Take the steps out first, or disable it.")
        return redirect(destination)
    count = destination.deliveries.count()
    sentence = f"Its log of {count:,} {'delivery' if count == 1 else 'deliveries'} goes as well."
    layer = Layer(f"Delete “{destination}”?", "Delete destination", PARENT, destination.get_absolute_url(), sentence)
    if request.method != "POST":
        return confirm_layer(request, layer)
    audit.record(request, "deleted destination", destination, deliveries=count)
    destination.delete()
    messages.success(request, f"{destination} is deleted.")
    return redirect("destinations:list")


def _show_once(request: HttpRequest, destination: Destination, secret: str) -> None:
    sealed = seal(secret, owner=_SHOWN.format(destination.pk)).decode()
    request.session["webhook_secret"] = {"pk": destination.pk, "sealed": sealed}
