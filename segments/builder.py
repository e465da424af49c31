"""The part of a form in which people build conditions, for any form: segments, advanced search, triggers, if/else.

    builder = Builder("conditions", request.POST or None, initial=segment.group)
    if request.method == "POST" and form.is_valid() and builder.is_valid():
        segment.conditions = as_json(builder.group)

In the template, inside the form: `{% include "segments/_builder.html" with builder=builder %}`. Buttons that add and
remove go to `segments:builder` with HTMX, and without it to the form's own address: `is_valid` is False then, so the
view shows its form again (`acted` says that nothing is wrong with it, status 200 rather than 422).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from contacts.forms import RESERVED
from contacts.models import ContactList, Tag
from recurring_payments import visibility
from segments import drafts
from segments.conditions import Condition, ConditionError, Group, Item, Related, condition
from segments.drafts import CONDITION, GROUP, Draft, Place
from segments.fields import CONTACT, LIST, TAG, ConditionField, fields
from segments.nodes import Node
from segments.operators import Shape

_NO_CONDITION = "Add at least one condition."
_EMPTY_GROUP = "Add a condition to this group, or remove it."


class Builder:
    """`prefix` begins every name, so several builders fit into one form. `scope` as in `conditions.parse`.

    `initial` fills a form that was not sent. Unless `required`, no condition at all is an answer: everybody.
    """

    def __init__(
        self,
        prefix: str,
        data: Mapping[str, Any] | None = None,
        initial: Group | None = None,
        scope: str = CONTACT,
        *,
        required: bool = True,
    ) -> None:
        self.prefix, self.scope, self.required = prefix, scope, required
        self.known = fields(scope)
        self.is_bound = data is not None and f"{prefix}-kind" in data
        self.focus: Place | None = None
        self.action = str(data.get(f"{prefix}-do", "")) if data else ""
        self.group = initial or Group()
        self._draft = self._begin(data, initial)
        self._checked = False

    def _begin(self, data: Mapping[str, Any] | None, initial: Group | None) -> Draft:
        if data is not None and self.is_bound:
            draft = drafts.from_data(data, self.prefix)
            if self.action:
                self.focus = drafts.act(draft, self.action)
                drafts.settle(draft, self.known)
            return draft
        if initial and initial.items:
            return drafts.from_tree(initial, self._shape_of)
        return drafts.empty() if self.required else Draft(GROUP)

    @property
    def acted(self) -> bool:
        """Whether a button that adds or removes was pressed, rather than the form's own."""
        return bool(self.action)

    def is_valid(self) -> bool:
        """Whether what was sent is complete; `group` then holds it. Mistakes stand beside their fields."""
        if not self.is_bound or self.acted:
            return False
        if not self._checked:
            self._checked, self.group = True, self._group(self._draft, is_root=True)
            drafts.settle(self._draft, self.known)
        return not self.has_errors

    @property
    def has_errors(self) -> bool:
        return any(one.errors for one in _every(self._draft))

    @property
    def error_count(self) -> int:
        return sum(len(one.errors) for one in _every(self._draft))

    def sketch(self) -> Group | None:
        """The conditions as far as they are complete, for a count while somebody writes; None if none is."""
        group = self._group(self._draft, is_root=True, skip=True)
        for one in _every(self._draft):
            one.errors.clear()
        return group if group.items else None

    # --- For the template -------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return f"{self.prefix}-builder"

    @property
    def url(self) -> str:
        query = {"prefix": self.prefix, "scope": self.scope, "required": str(int(self.required))}
        return f"{reverse('segments:builder')}?{urlencode(query)}"

    @property
    def root(self) -> Node:
        return Node(self, self._draft, ())

    @cached_property
    def shows_recurring_payments(self) -> bool:
        return visibility.are_known()

    @cached_property
    def tags(self) -> list[str]:
        return list(Tag.objects.values_list("name", flat=True))

    @cached_property
    def lists(self) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in ContactList.objects.values_list("pk", "name")]

    @property
    def uses_tags(self) -> bool:
        return any(one.field == TAG for one in _every(self._draft))

    def offered(self, about: str, chosen: str) -> list[ConditionField]:
        """The fields a condition may ask about; `about` is "" outside of a block. What is chosen always stays."""
        found = (one for one in self.known.values() if not about or one.about == about)
        return [one for one in found if self._may_offer(one) or one.key == chosen]

    def _may_offer(self, asked: ConditionField) -> bool:
        return not asked.needs_recurring_payments or self.shows_recurring_payments

    # --- Reading ----------------------------------------------------------------------------------------------------

    def _shape_of(self, item: Condition) -> Shape:
        asked = self.known.get(item.field)
        operator = asked.operator(item.operator) if asked else None
        return operator.shape if operator else Shape.NONE

    def _group(self, draft: Draft, *, is_root: bool = False, skip: bool = False) -> Group:
        items = [item for child in draft.children if (item := self._item(child, skip=skip))]
        if not draft.children and (self.required or not is_root):
            draft.errors["items"] = _NO_CONDITION if is_root else _EMPTY_GROUP
        return Group(draft.match, tuple(items))

    def _item(self, draft: Draft, *, skip: bool) -> Item | None:
        if draft.kind == GROUP:
            group = self._group(draft, skip=skip)
            return group if group.items else None
        if draft.kind == CONDITION:
            return self._condition(draft, self.known)
        own = {key: asked for key, asked in self.known.items() if asked.about == draft.kind}
        conditions = [one for child in draft.children if (one := self._condition(child, own))]
        if skip and draft.children and not conditions:
            return None
        return Related(draft.kind, draft.quantifier, draft.match, tuple(conditions))

    def _condition(self, draft: Draft, known: dict[str, ConditionField]) -> Condition | None:
        asked = known.get(draft.field)
        try:
            found = condition(drafts.as_json(draft, asked.operator(draft.operator) if asked else None), known)
        except ConditionError as error:
            draft.errors[_part(error.path)] = error.message if draft.field else "Choose a field."
            return None
        if problem := self._unknown_name(found):
            draft.errors["value"] = problem
            return None
        return found

    def _unknown_name(self, item: Condition) -> str:
        """Tags and lists must be there, lest a slip of the pen matches nobody. Tags of the integration may yet come."""
        if item.field == TAG and item.value not in self.tags and not str(item.value).startswith(RESERVED):
            return "There is no tag of this name."
        if item.field == LIST and str(item.value) not in dict(self.lists):
            return "This list was deleted. Choose another one."
        return ""


def _part(path: str) -> str:
    """ "value.to" -> "to": the input an error stands beside."""
    return path.rpartition(".")[2] or "field"


def _every(draft: Draft) -> list[Draft]:
    return [draft, *(one for child in draft.children for one in _every(child))]
