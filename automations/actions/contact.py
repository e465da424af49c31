"""Changes to the contact: tags, lists, fields."""

from __future__ import annotations

from collections.abc import Callable

from automations import deeds
from automations.declarations import Action, Json, Outcome, Step, failed, go_on
from automations.field_parameters import CatalogueField, FieldValue
from automations.models import Run
from automations.parameters import Row, Tag
from automations.triggers.contacts import lists
from automations.wording import value_of
from common.fields import FieldType, catalogue
from contacts.fields import CATALOGUE, coerce
from contacts.models import ContactList

# An address identifies the contact; automations leave it alone.
_WRITABLE = tuple(kind for kind in FieldType if kind is not FieldType.EMAIL)


def _add_tag(step: Step, run: Run) -> Outcome:
    tag = step.parameters["tag"]
    return go_on(f"Tag “{tag}” added." if deeds.add_tag(run, tag, step.key) else f"Had the tag “{tag}” already.")


def _remove_tag(step: Step, run: Run) -> Outcome:
    tag = step.parameters["tag"]
    return go_on(f"Tag “{tag}” removed." if deeds.remove_tag(run, tag, step.key) else f"Had no tag “{tag}”.")


def _with_list(
    deed: Callable[[Run, ContactList, str], bool], done: str, nothing: str
) -> Callable[[Step, Run], Outcome]:
    def perform(step: Step, run: Run) -> Outcome:
        found = ContactList.objects.filter(pk=step.parameters["list"]).first()
        if found is None:
            return failed("The list of this step was deleted.", permanent=True)
        return go_on((done if deed(run, found, step.key) else nothing).format(found))

    return perform


def _set_field(step: Step, run: Run) -> Outcome:
    key = step.parameters["field"]
    field = catalogue(CATALOGUE).get(key)
    if field is None:
        return failed("The field of this step was deleted.", permanent=True)
    value = step.parameters.get("value")
    try:
        stored = None if value is None else coerce(value, field)
    except ValueError as error:
        return failed(str(error), permanent=True)
    changed = deeds.set_field(run, key, stored, step.key)
    shown = "emptied" if stored is None else f"set to “{stored}”"
    return go_on(f"{field.label} {shown}." if changed else f"{field.label} was so already.")


def _unfit_value(parameters: Json, _brings: frozenset[str]) -> list[str]:
    field = catalogue(CATALOGUE).get(parameters["field"])
    if field is None or parameters.get("value") is None:
        return []
    try:
        coerce(parameters["value"], field)
    except ValueError as error:
        return [str(error)]
    return []


def _set_in_words(given: Json) -> str:
    label, value = catalogue(CATALOGUE)[given["field"]].label, given.get("value")
    return f"{label} is emptied" if value is None else f"{label} becomes {value_of(CATALOGUE, given['field'], value)}"


_LIST = Row(key="list", label="List", offered=lists, gone="This list does not exist any more. Choose another.")
ACTIONS = [
    Action(
        key="add_tag",
        label="Add a tag",
        group="Contact",
        description="Puts a tag on the contact.",
        icon="tag",
        perform=_add_tag,
        parameters=(Tag(key="tag", label="Tag"),),
    ),
    Action(
        key="remove_tag",
        label="Remove a tag",
        group="Contact",
        description="Takes a tag off the contact.",
        icon="tag",
        perform=_remove_tag,
        parameters=(Tag(key="tag", label="Tag"),),
    ),
    Action(
        key="set_field",
        label="Set a field",
        group="Contact",
        description="Writes a value into a field of the contact.",
        icon="pencil",
        perform=_set_field,
        parameters=(
            CatalogueField(key="field", label="Field", catalogue=CATALOGUE, types=_WRITABLE),
            FieldValue(
                key="value",
                label="Value",
                of="field",
                catalogue=CATALOGUE,
                required=False,
                help="Leave empty to empty the field.",
            ),
        ),
        problems=_unfit_value,
        in_words=_set_in_words,
    ),
    Action(
        key="join_list",
        label="Add to a list",
        group="Contact",
        description="Puts the contact on a list.",
        icon="list",
        perform=_with_list(deeds.join_list, "Joined “{}”.", "Was on “{}” already."),
        parameters=(_LIST,),
    ),
    Action(
        key="leave_list",
        label="Remove from a list",
        group="Contact",
        description="Takes the contact off a list.",
        icon="list",
        perform=_with_list(deeds.leave_list, "Left “{}”.", "Was not on “{}”."),
        parameters=(_LIST,),
    ),
]
