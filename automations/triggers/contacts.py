"""What happens to a contact: made, tagged, put on a list, changed."""

from __future__ import annotations

from collections.abc import Callable

from automations import wording
from automations.declarations import Json, Trigger, everything
from automations.field_parameters import CatalogueField, FieldValue
from automations.parameters import Parameter, Row, Tag
from automations.triggers import sampling
from automations.triggers.comparing import went
from common import once
from common.fields import catalogue
from contacts.fields import CATALOGUE
from contacts.models import Activity, ContactList, Kind

SECTION = "Contacts"


@once.kept
def lists() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in ContactList.objects.values_list("pk", "name")]


def _tag(activity: Activity, parameters: Json) -> bool:
    wanted = parameters.get("tag")
    return wanted is None or activity.data.get("tag") == wanted


def _list(activity: Activity, parameters: Json) -> bool:
    wanted = parameters.get("list")
    return wanted is None or activity.data.get("list_id") == wanted


def _field(activity: Activity, parameters: Json) -> bool:
    key = parameters["field"]
    if not any(change["field"] == key for change in activity.changes):
        return False
    return went(activity.changes, key, parameters.get("from"), parameters.get("to"), catalogue(CATALOGUE).get(key))


_TOLD = {
    "tag_added": "{} is added",
    "tag_removed": "{} is removed",
    "list_joined": "Contact joins {}",
    "list_left": "Contact leaves {}",
}


def _said(key: str, parameters: tuple[Parameter, ...]) -> Callable[[Json], str] | None:
    """«The tag “buyer” is added»; for any tag the label says it all."""
    if not parameters:
        return None
    (which,) = parameters

    def in_words(given: Json) -> str:
        if given.get(which.key) is None:
            return ""
        name = which.words(given[which.key]).strip("“”")
        said = _TOLD[key].format(f"the {which.key} “{name}”")
        return said[:1].upper() + said[1:]

    return in_words


def _about(kind: Kind, key: str, label: str, icon: str, description: str, *parameters: Parameter) -> Trigger:
    kinds = (kind.value,)
    matches = _tag if key.startswith("tag") else _list if key.startswith("list") else everything
    return Trigger(
        key=key,
        label=label,
        section=SECTION,
        description=description,
        icon=icon,
        kinds=kinds,
        parameters=parameters,
        matches=matches,
        samples=sampling.of_kinds(kinds, matches),
        in_words=_said(key, parameters),
    )


_ANY_TAG = Tag(key="tag", label="Tag", required=False, help="Leave empty for any tag.")
_ANY_LIST = Row(key="list", label="List", required=False, offered=lists, help="Leave empty for any list.")
_CHANGED = (Kind.CONTACT_UPDATED.value,)
TRIGGERS = [
    _about(Kind.CONTACT_CREATED, "contact_created", "Contact created", "user-plus", "Starts when a contact is made."),
    _about(Kind.TAG_ADDED, "tag_added", "Tag added", "tag", "Starts when a contact gets a tag.", _ANY_TAG),
    _about(Kind.TAG_REMOVED, "tag_removed", "Tag removed", "tag", "Starts when a contact loses a tag.", _ANY_TAG),
    _about(Kind.LIST_JOINED, "list_joined", "Joined list", "list", "Starts when a contact joins a list.", _ANY_LIST),
    _about(Kind.LIST_LEFT, "list_left", "Left list", "list", "Starts when a contact leaves a list.", _ANY_LIST),
    Trigger(
        key="field_changed",
        label="Field changed",
        section=SECTION,
        description="Starts when a contact’s field goes from one value to another.",
        icon="pencil",
        kinds=_CHANGED,
        parameters=(
            CatalogueField(key="field", label="Field", catalogue=CATALOGUE),
            FieldValue(
                key="from",
                label="From",
                of="field",
                catalogue=CATALOGUE,
                required=False,
                help="Leave empty for any value.",
            ),
            FieldValue(
                key="to", label="To", of="field", catalogue=CATALOGUE, required=False, help="Leave empty for any value."
            ),
        ),
        matches=_field,
        samples=sampling.of_kinds(_CHANGED, _field),
        in_words=lambda given: wording.change(CATALOGUE, given),
    ),
]
