"""The actions that send something out of the house."""

from __future__ import annotations

from collections.abc import Callable

from automations.declarations import Action, Json, Outcome, Step, failed, go_on
from automations.declarations import register as declare
from automations.destinations import content, queueing
from automations.destinations.models import Destination, DestinationQuerySet
from automations.field_parameters import Mapping
from automations.models.run import Run
from automations.parameters import Row, Text
from common import once
from common.fields import FieldType, catalogue

_EMAIL = [{"from": "contact.email", "to": "email"}]
_GONE = "The destination of this step was deleted."
_NO_WEBHOOK = "Add a webhook under Settings > Destinations first."
_NO_CUSTOMERIO = "Connect Customer.io under Settings > Destinations first."
_ORDER = "A value of the order is used here, so each trigger must be one of an order."
_EVENT = "A value of the event is used here, so each trigger must be one of an event."
Queue = Callable[[Step, Run, Destination], None]


def _offered(queryset: Callable[[], DestinationQuerySet]) -> Callable[[], list[tuple[str, str]]]:
    return once.kept(lambda: [(str(pk), name) for pk, name in queryset().values_list("pk", "name")])


def _webhooks() -> DestinationQuerySet:
    return Destination.objects.all().webhooks()


def _customerio() -> DestinationQuerySet:
    return Destination.objects.all().customerio()


def _missing(queryset: Callable[[], DestinationQuerySet], reason: str) -> Callable[[], str]:
    return once.kept(lambda: "" if queryset().exists() else reason)


def _performing(queue: Queue) -> Callable[[Step, Run], Outcome]:
    def perform(step: Step, run: Run) -> Outcome:
        destination = Destination.objects.filter(pk=step.parameters["destination"]).first()
        if destination is None:
            return failed(_GONE, permanent=True)
        if run.is_test and not destination.takes_tests:
            return go_on(f"Nothing sent: {destination} takes no deliveries of test runs.")
        queue(step, run, destination)
        held = "" if destination.is_active else " It leaves when the destination is active again."
        return go_on(f"Queued for {destination}.{held}")

    return perform


def _queue_webhook(step: Step, run: Run, destination: Destination) -> None:
    given = step.parameters
    queueing.webhook(run, step.id, step.key, destination, given["name"], given.get("mapping") or [])


def _queue_person(step: Step, run: Run, destination: Destination) -> None:
    queueing.person(run, step.id, step.key, destination, step.parameters["mapping"])


def _queue_event(step: Step, run: Run, destination: Destination) -> None:
    given = step.parameters
    queueing.event(run, step.id, step.key, destination, given["name"], given.get("mapping") or [])


def _unfit(parameters: Json, brings: frozenset[str]) -> list[str]:
    sources = [row["from"] for row in parameters.get("mapping") or []]
    found = []
    if "order" not in brings and any(source.startswith("order.") for source in sources):
        found.append(_ORDER)
    if "event" not in brings and any(source.startswith("event.") for source in sources):
        found.append(_EVENT)
    return found


def _unfit_webhook(parameters: Json, brings: frozenset[str]) -> list[str]:
    found = _unfit(parameters, brings)
    names = [row["to"] for row in parameters.get("mapping") or []]
    if crossed := content.crossing(names):
        found.append(f"“{crossed}” would be a value and a group of values at once. Rename one of them.")
    if any("" in name.split(".") for name in names):
        found.append("A name has a part on both sides of each dot: customer.email.")
    return found


def _unfit_person(parameters: Json, brings: frozenset[str]) -> list[str]:
    found = _unfit(parameters, brings)
    source = next((row["from"] for row in parameters["mapping"] if row["to"] == "email"), "")
    root, _, key = source.partition(".")
    declared = catalogue(root).get(key)
    if declared and declared.type is not FieldType.EMAIL:
        found.append("“email” must be filled with an email address.")
    return found


def _would(step: Step, run: Run) -> str:
    name = Destination.objects.filter(pk=step.parameters["destination"]).values_list("name", flat=True).first()
    what = step.parameters.get("name") or run.contact.email or "the person"
    return f"Would send “{what}” to {name or 'a destination that was deleted'}."


def _in_words(offered: Callable[[], DestinationQuerySet]) -> Callable[[Json], str]:
    """«“order.paid” to Warehouse, with customer.email and order.amount»."""

    def in_words(given: Json) -> str:
        where = _destination(offered, "").words(given["destination"])
        names = [row["to"] for row in given.get("mapping") or []]
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        what = f"“{given['name']}” to {where}" if "name" in given else f"To {where}"
        return f"{what}, with {listed}" if names else what

    return in_words


def _destination(offered: Callable[[], DestinationQuerySet], label: str) -> Row:
    gone = "This destination does not exist any more. Choose another."
    return Row(key="destination", label=label, offered=_offered(offered), gone=gone)


WEBHOOK = Action(
    key="webhook",
    label="Send a webhook",
    group="Connected apps",
    description="Posts an event with fields of your choice to another system, signed, and again until it arrives.",
    icon="webhook",
    perform=_performing(_queue_webhook),
    in_words=_in_words(_webhooks),
    parameters=(
        _destination(_webhooks, "Webhook"),
        Text(key="name", label="Name of the event", longest=150, help="What the receiver reads as “type”."),
        Mapping(
            key="mapping",
            label="Data",
            catalogues=content.CATALOGUES,
            required=False,
            default=_EMAIL,
            help="Names with dots make groups: customer.email.",
        ),
    ),
    problems=_unfit_webhook,
    unavailable=_missing(_webhooks, _NO_WEBHOOK),
    would=_would,
)
PERSON = Action(
    key="customerio_person",
    label="Create or update person",
    group="Connected apps",
    description="Keeps the contact as a person in Customer.io, with attributes of your choice, totals among them.",
    icon="user",
    perform=_performing(_queue_person),
    in_words=_in_words(_customerio),
    parameters=(
        _destination(_customerio, "Customer.io account"),
        Mapping(
            key="mapping",
            label="Attributes",
            catalogues=content.CATALOGUES,
            needs=("email",),
            default=_EMAIL,
            help="Read anew when the person is sent. “email” is needed.",
        ),
    ),
    problems=_unfit_person,
    unavailable=_missing(_customerio, _NO_CUSTOMERIO),
    would=_would,
)
EVENT = Action(
    key="customerio_event",
    label="Track event",
    group="Connected apps",
    description="Tells Customer.io that something happened to the person, such as a payment, to start campaigns there.",
    icon="zap",
    perform=_performing(_queue_event),
    in_words=_in_words(_customerio),
    parameters=(
        _destination(_customerio, "Customer.io account"),
        Text(key="name", label="Name of the event", longest=100, help="As your campaigns in Customer.io call it."),
        Mapping(key="mapping", label="Data", catalogues=content.CATALOGUES, required=False),
    ),
    problems=_unfit,
    unavailable=_missing(_customerio, _NO_CUSTOMERIO),
    would=_would,
)


def register() -> None:
    declare(WEBHOOK, PERSON, EVENT)
