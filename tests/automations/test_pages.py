"""The pages of automations: the flow is drawn by plain posts, refused forms say why, everybody sees what they may."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from automations import checking, lifecycle, runs
from automations.actions.mailing import NO_EVENT
from automations.destinations.models import Delivery
from automations.forms.automation import AutomationForm
from automations.models import Automation, Run
from campaigns import usage
from campaigns.models import Campaign
from common.due import State
from contacts.models import Contact, ContactList, Tag
from tests.automations.conftest import Make, having, on, person, step, tagged, worked
from tests.automations.destinations import webhook
from users.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}


def page(client: Client, name: str, *args: Any, status: int = 200, query: str = "") -> str:
    response = client.get(reverse(f"automations:{name}", args=args) + query)
    assert response.status_code == status
    return response.content.decode()


def send(
    client: Client, view: str, *args: Any, status: int = 302, query: str = "", htmx: bool = False, **data: Any
) -> str:
    headers = HTMX if htmx else {}
    response = client.post(reverse(f"automations:{view}", args=args) + query, data, headers=headers)
    assert response.status_code == status, response.content.decode()[:2000]
    return response.content.decode()


@pytest.fixture
def draft(db: None) -> Automation:
    return lifecycle.create("Reminder", None)


def again(automation: Automation) -> Automation:
    automation.refresh_from_db()
    return automation


def test_from_nothing_to_a_running_flow_by_plain_posts(marketer_client: Client) -> None:
    """C001, C002: three steps, no code, no script."""
    send(marketer_client, "create", name="Thank you", description="")
    made = Automation.objects.get()
    assert "Choose a trigger" in page(marketer_client, "detail", made.pk)
    assert "Tag added" in page(marketer_client, "trigger-choose", made.pk)
    send(marketer_client, "trigger-add", made.pk, "tag_added", **{"p-tag": "buyer", "p-runs": "every_time"})
    assert "Add a tag" in page(marketer_client, "step-choose", made.pk)
    send(marketer_client, "step-add", made.pk, "add_tag", query="?position=0", **{"p-tag": "thanked"})
    response = marketer_client.post(reverse("automations:activate", args=[made.pk]), follow=True)
    assert "You are connected" in response.content.decode()
    ann = person()
    tagged(ann, "buyer")
    worked()
    assert list(ann.tags.values_list("name", flat=True)) == ["thanked"]


def test_a_trigger_asks_for_what_it_declares(marketer_client: Client, draft: Automation) -> None:
    """C008: “Ignore payment intents” cannot be saved unset."""
    refused = send(marketer_client, "trigger-add", draft.pk, "failed_payment", status=422, **{"p-runs": "every_time"})
    assert "Fill in this field." in refused
    assert again(draft).triggers == []
    send(
        marketer_client,
        "trigger-add",
        draft.pk,
        "failed_payment",
        **{"p-ignore_payment_intents": "no", "p-runs": "once"},
    )
    (one,) = again(draft).triggers
    assert one == {
        "id": one["id"],
        "key": "failed_payment",
        "parameters": {"ignore_payment_intents": False},
        "once": True,
        "conditions": None,
    }
    assert "Ignore payment intents" in page(marketer_client, "trigger", draft.pk, one["id"])


def test_conditions_of_a_trigger_are_built_without_script(marketer_client: Client, draft: Automation) -> None:
    """B037: a row is added by a plain submit button, and nothing is saved meanwhile."""
    ContactList.objects.create(name="VIPs")
    fields = {"p-runs": "every_time", "c-conditions-kind": "group", "c-conditions-match": "all"}
    shown = send(
        marketer_client,
        "trigger-add",
        draft.pk,
        "contact_created",
        status=200,
        **fields,
        **{"c-conditions-do": "condition:"},
    )
    assert "c-conditions-0-field" in shown
    assert again(draft).triggers == []
    row = {
        "c-conditions-0-kind": "condition",
        "c-conditions-0-field": "contact.email",
        "c-conditions-0-operator": "contains",
        "c-conditions-0-value": "@example.com",
    }
    send(marketer_client, "trigger-add", draft.pk, "contact_created", **fields, **row)
    assert again(draft).triggers[0]["conditions"] == having("contact.email", "contains", "@example.com")
    place = draft.triggers[0]["id"]
    row["c-conditions-0-value"] = ""
    refused = send(marketer_client, "trigger", draft.pk, place, status=422, **fields, **row)
    assert "field-error" in refused


def test_the_value_follows_the_chosen_field(marketer_client: Client, draft: Automation) -> None:
    """B048, B049: a select of the field's values once the field is chosen."""
    draft_url = reverse("automations:trigger-add", args=[draft.pk, "recurring_payment_updated"])
    answer = marketer_client.get(draft_url).content.decode()
    assert '<option value="PAYMENT_FAILED">' in answer
    data = {"p-field": "payment_amount", "refresh": "1"}
    shown = send(marketer_client, "trigger-add", draft.pk, "recurring_payment_updated", status=200, htmx=True, **data)
    assert '<option value="PAYMENT_FAILED">' not in shown
    assert 'inputmode="decimal"' in shown


def test_steps_are_moved_removed_and_brought_back(marketer_client: Client, draft: Automation) -> None:
    for number, tag in enumerate(["one", "two", "three"]):
        send(marketer_client, "step-add", draft.pk, "add_tag", query=f"?position={number}", **{"p-tag": tag})

    def told() -> list[str]:
        return [one["parameters"]["tag"] for one in again(draft).steps]

    send(marketer_client, "step-shift", draft.pk, "s3", up="1")
    assert told() == ["one", "three", "two"]
    send(marketer_client, "step-remove", draft.pk, "s1")
    assert told() == ["three", "two"]
    send(marketer_client, "undo", draft.pk)
    assert told() == ["one", "three", "two"]
    send(marketer_client, "undo", draft.pk)
    assert told() == ["one", "three", "two"]
    send(marketer_client, "step", draft.pk, "s2", **{"p-tag": "second"})
    assert told() == ["one", "three", "second"]
    flow = send(marketer_client, "step-shift", draft.pk, "s1", status=200, htmx=True, down="1")
    assert 'id="flow"' in flow
    assert "<html" not in flow


def test_a_step_goes_into_a_branch_and_out_again(marketer_client: Client, draft: Automation) -> None:
    Tag.objects.create(name="vip")
    condition = {
        "c-conditions-kind": "group",
        "c-conditions-match": "all",
        "c-conditions-0-kind": "condition",
        "c-conditions-0-field": "contact.tag",
        "c-conditions-0-operator": "has",
        "c-conditions-0-value": "vip",
    }
    send(marketer_client, "step-add", draft.pk, "if_else", query="?position=0", **condition)
    send(
        marketer_client,
        "step-add",
        draft.pk,
        "add_tag",
        query="?parent=s1&branch=yes&position=0",
        **{"p-tag": "gold"},
    )
    (ways,) = again(draft).steps
    assert [one["id"] for one in ways["branches"]["yes"]] == ["s2"]
    drawn = page(marketer_client, "detail", draft.pk)
    assert drawn.index("flow-branch--yes") < drawn.index("flow-branch--no")
    send(marketer_client, "step-move", draft.pk, "s2", place="s1|no|0")
    assert [one["id"] for one in again(draft).steps[0]["branches"]["no"]] == ["s2"]
    send(marketer_client, "step-shift", draft.pk, "s2", up="1")
    assert [one["id"] for one in again(draft).steps] == ["s2", "s1"]
    assert "First in" in page(marketer_client, "step-move", draft.pk, "s2")
    send(marketer_client, "step-move", draft.pk, "s1", status=404, place="s1|yes|0")


def test_two_people_at_one_draft_do_not_undo_each_other(marketer_client: Client, draft: Automation) -> None:
    seen = draft.revision
    send(marketer_client, "step-add", draft.pk, "add_tag", revision=seen, **{"p-tag": "first"})
    refused = send(marketer_client, "step-add", draft.pk, "add_tag", status=409, revision=seen, **{"p-tag": "second"})
    assert "Somebody else changed" in refused
    assert "second" in refused
    assert len(again(draft).steps) == 1
    conflict = send(marketer_client, "step-remove", draft.pk, "s1", status=409, htmx=True, revision=seen)
    assert "Somebody else changed" in conflict


def test_a_trigger_saved_again_after_a_conflict_replaces_no_other(marketer_client: Client, draft: Automation) -> None:
    """C002: somebody removes a trigger while somebody else changes it."""
    draft = lifecycle.save_draft(draft.pk, draft.revision, triggers=[on("tag_added", tag="a"), on("list_joined")])
    first, second = draft.triggers
    changed = {"p-tag": "changed", "p-runs": "every_time", "key": "tag_added"}

    def saved(place: str, revision: int, status: int) -> str:
        given = {**changed, "revision": revision}
        return send(marketer_client, "trigger", draft.pk, place, status=status, htmx=True, **given)

    seen = draft.revision
    lifecycle.save_draft(draft.pk, seen, description="changed meanwhile")
    assert "Save again to keep your trigger" in saved(first["id"], seen, 409)
    saved(first["id"], again(draft).revision, 204)
    assert [one["key"] for one in again(draft).triggers] == ["tag_added", "list_joined"]
    seen = draft.revision
    lifecycle.save_draft(draft.pk, seen, triggers=[second])
    refused = saved(first["id"], seen, 409)
    assert "Somebody else removed this trigger meanwhile" in refused
    assert 'value="changed"' in refused
    add = reverse("automations:trigger-add", args=[draft.pk, "tag_added"])
    assert f'action="{add}' in refused
    marketer_client.post(add, {**changed, "revision": again(draft).revision})
    assert [one["key"] for one in again(draft).triggers] == ["list_joined", "tag_added"]


def test_conditions_to_leave_survive_a_conflict(marketer_client: Client, draft: Automation) -> None:
    """The drawer keeps what was built, says what happened, and the next press saves it."""
    row = {
        "c-exit_conditions-kind": "group",
        "c-exit_conditions-match": "all",
        "c-exit_conditions-0-kind": "condition",
        "c-exit_conditions-0-field": "contact.email",
        "c-exit_conditions-0-operator": "contains",
        "c-exit_conditions-0-value": "@kept.example",
    }
    seen = draft.revision
    lifecycle.save_draft(draft.pk, seen, description="changed meanwhile")
    refused = send(marketer_client, "exits", draft.pk, status=409, htmx=True, revision=seen, **row)
    assert 'id="sheet-form"' in refused
    assert 'id="flow"' not in refused
    assert "Save again to keep your conditions" in refused
    assert "@kept.example" in refused
    assert f'name="revision" value="{again(draft).revision}"' in refused
    send(marketer_client, "exits", draft.pk, revision=again(draft).revision, **row)
    assert again(draft).exit_conditions == having("contact.email", "contains", "@kept.example")


def test_a_step_is_moved_where_it_still_fits_after_a_conflict(marketer_client: Client, draft: Automation) -> None:
    steps = [step("add_tag", 1, tag="one"), step("add_tag", 2, tag="two")]
    draft = lifecycle.save_draft(draft.pk, draft.revision, steps=steps)
    seen = draft.revision
    lifecycle.save_draft(draft.pk, seen, steps=[*steps, step("add_tag", 3, tag="three")])
    refused = send(marketer_client, "step-move", draft.pk, "s1", status=409, htmx=True, revision=seen, place="||1")
    assert 'id="sheet-form"' in refused
    assert "<dialog" not in refused
    assert 'value="||2"' in refused
    send(marketer_client, "step-move", draft.pk, "s1", revision=again(draft).revision, place="||2")
    assert [one["id"] for one in again(draft).steps] == ["s2", "s3", "s1"]


def test_activating_names_what_was_looked_at(marketer_client: Client, automation: Make) -> None:
    """A page that is out of date activates neither a draft nobody looked at nor what was archived."""
    made = automation(on("tag_added", tag="x"), [step("add_tag", 1, tag="one")])
    made = lifecycle.save_draft(made.pk, made.revision, steps=[step("add_tag", 1, tag="two")])
    assert f'name="revision" value="{made.revision}"' in page(marketer_client, "detail", made.pk)
    lifecycle.save_draft(made.pk, made.revision, steps=[step("add_tag", 1, tag="three")])
    send(marketer_client, "activate", made.pk, revision=made.revision)
    assert "Somebody else changed this automation meanwhile" in page(marketer_client, "detail", made.pk)
    assert again(made).current is not None
    assert again(made).current.number == 1
    lifecycle.archive(made.pk)
    send(marketer_client, "activate", made.pk, revision=again(made).revision)
    assert "is archived" in page(marketer_client, "detail", made.pk)
    assert again(made).state == "archived"


def test_a_draft_with_gaps_is_refused_and_shows_where(marketer_client: Client, draft: Automation) -> None:
    # What nobody has come to yet is no mistake.
    assert "Add at least one step." not in page(marketer_client, "detail", draft.pk)
    refused = send(marketer_client, "activate", draft.pk, status=422)
    assert "It cannot be activated yet" in refused
    assert "Choose what starts this automation." in refused
    assert "Add at least one step." in refused
    assert again(draft).state == "draft"


def test_a_mail_with_recurring_payment_tags_is_refused_beside_the_step(
    marketer_client: Client, draft: Automation
) -> None:
    """B042: also when the trigger is changed afterwards, its card says so."""
    mail = Campaign.objects.create(name="Due", subject="Due", html="<p>{{ recurring_payment.payment_amount }}</p>")
    lifecycle.save_draft(draft.pk, draft.revision, triggers=[on("tag_added")])
    refused = send(marketer_client, "step-add", draft.pk, "send_mail", status=422, **{"p-campaign": str(mail.pk)})
    assert "recurring payment trigger" in refused
    assert again(draft).steps == []
    fits = [on("recurring_payment_updated", field="normalized_status")]
    lifecycle.save_draft(draft.pk, again(draft).revision, triggers=fits)
    send(marketer_client, "step-add", draft.pk, "send_mail", **{"p-campaign": str(mail.pk)})
    lifecycle.save_draft(draft.pk, again(draft).revision, triggers=[on("tag_added")])
    shown = page(marketer_client, "detail", draft.pk)
    assert "recurring payment trigger" in shown
    assert "flow-card--bad" in shown


def test_nothing_connected_shows_what_to_do(marketer_client: Client, draft: Automation) -> None:
    """B006, B009, A034: sections without anything to choose say what makes it appear."""
    shown = page(marketer_client, "trigger-choose", draft.pk)
    assert "CX Apps" in shown
    assert "Connect a Stripe account" in shown
    assert "Appears once a recurring payment was synced" in shown
    assert "Stripe event received" not in shown
    assert "Recurring payment created" not in shown


def test_trying_a_trigger_shows_what_it_would_have_started_on(marketer_client: Client, draft: Automation) -> None:
    """C005: real samples with their fields; the others with the reason."""
    tagged(person("yes@example.com"), "vip")
    tagged(person("no@example.com"), "other")
    data = {"p-tag": "vip", "p-runs": "every_time", "try": "1"}
    shown = send(marketer_client, "trigger-add", draft.pk, "tag_added", status=200, **data)
    assert "yes@example.com" in shown
    assert "Would start" in shown
    assert "It is not what the trigger asks for." in shown
    assert again(draft).triggers == []


def test_a_walk_says_what_would_happen_and_writes_nothing(marketer_client: Client, draft: Automation) -> None:
    """C005: steps see what those before them changed; the mail is shown as the contact would get it."""
    mail = Campaign.objects.create(name="Hello", subject="Hello {{ contact.first_name }}", html="<p>Dear you</p>")
    Tag.objects.create(name="seen")
    ways = {"yes": [step("send_mail", 4, campaign=mail.pk)], "no": [step("add_tag", 5, tag="never")]}
    steps = [
        step("add_tag", 1, tag="seen"),
        step("wait", 2, duration={"amount": 3, "unit": "days"}),
        step("if_else", 3, ways, conditions=having("contact.tag", "has", "seen")),
    ]
    lifecycle.save_draft(draft.pk, draft.revision, triggers=[on("tag_added")], steps=steps)
    ann = person("ann@example.com", first_name="Ann")
    shown = send(marketer_client, "walk", draft.pk, status=200, sample="", address="ann@example.com")
    assert "Hello Ann" in shown
    assert "The walk goes on at once." in shown
    assert "never" not in shown
    assert (Run.objects.count(), ann.tags.count(), draft.versions.count(), ann.mails.count()) == (0, 0, 0, 0)
    assert ann.activities.count() == 0
    refused = send(marketer_client, "walk", draft.pk, status=422, sample="", address="nobody@example.com")
    assert "No contact has this address." in refused


def test_a_newer_draft_and_contacts_on_the_old_version_are_shown(marketer_client: Client, automation: Make) -> None:
    made = automation(on("tag_added", tag="start"), [step("wait", 1, duration={"amount": 1, "unit": "days"})])
    tagged(person(), "start")
    worked()
    assert "newer than version" not in page(marketer_client, "detail", made.pk)
    send(marketer_client, "step-add", made.pk, "add_tag", query="?position=1", **{"p-tag": "x"})
    assert "This draft is newer than version 1" in page(marketer_client, "detail", made.pk)
    send(marketer_client, "activate", made.pk)
    assert "1 contact inside finishes on version 1." in page(marketer_client, "detail", made.pk)


def test_pausing_resuming_archiving_and_restoring(marketer_client: Client, automation: Make) -> None:
    made = automation(on("tag_added", tag="start"), [step("add_tag", 1, tag="x")])
    for name, state in [("pause", "paused"), ("resume", "active"), ("archive", "archived"), ("restore", "draft")]:
        send(marketer_client, name, made.pk)
        assert again(made).state == state
    assert "Nobody enters any more" in page(marketer_client, "archive", made.pk)
    told = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(told) == [f"{verb} automation" for verb in ("paused", "resumed", "archived", "restored")]


def test_a_name_is_needed_and_the_mode_stays_while_it_runs(marketer_client: Client, automation: Make) -> None:
    send(marketer_client, "create", status=422, name="")
    made = automation(on("tag_added"), [step("add_tag", 1, tag="x")])
    refused = send(marketer_client, "settings", made.pk, status=422, name="New", is_test="on")
    assert "Pause the automation first" in refused
    send(marketer_client, "settings", made.pk, name="New name")
    assert again(made).name == "New name"
    send(marketer_client, "duplicate", made.pk)
    copy = Automation.objects.get(name="New name (copy)")
    assert (copy.state, copy.steps) == ("draft", made.steps)


def test_the_list_tells_what_starts_each_and_how_many_came_through(
    staff_client: Client, automation: Make, failing: list[str]
) -> None:
    automation(on("tag_added", tag="start"), [step("add_tag", 1, tag="x")], name="Fine")
    automation(on("tag_added", tag="start"), [step("join_list", 1, list=ContactList.objects.create(name="L").pk)])
    tagged(person(), "start")
    ContactList.objects.all().delete()
    worked()
    shown = page(staff_client, "list")
    assert "The tag “start” is added" in shown
    assert "1 failed" in shown
    assert "Create automation" not in shown
    assert "Fine" in page(staff_client, "list", query="?q=fin")
    assert "Fine" not in page(staff_client, "list", query="?state=paused")


def test_a_run_shows_each_step_and_can_be_tried_again_or_ended(
    marketer_client: Client, automation: Make, failing: list[str]
) -> None:
    """B045, C020: status and body of what failed stand in the log."""
    made = automation(on("tag_added", tag="start"), [step("flaky", 1)])
    failing.append("The other side is busy.")
    ann = person("ann@example.com")
    tagged(ann, "start")
    worked()
    run = Run.objects.get()
    assert "Retrying" in page(marketer_client, "automation-runs", made.pk, query="?state=retrying")
    assert "ann@example.com" not in page(marketer_client, "automation-runs", made.pk, query="?state=completed")
    assert "ann@example.com" in page(marketer_client, "runs", query=f"?contact={ann.pk}")
    shown = page(marketer_client, "run", run.pk)
    assert "503" in shown
    assert "busy" in shown
    Run.objects.update(state="dead")
    failing.clear()
    send(marketer_client, "run-retry", run.pk)
    worked()
    run.refresh_from_db()
    assert run.standing == "completed"
    tagged(person(), "start")
    failing.append("No")
    worked()
    other = Run.objects.exclude(pk=run.pk).get()
    send(marketer_client, "run-end", other.pk)
    other.refresh_from_db()
    assert (other.standing, other.message) == ("ended", "Ended by Mia Marketer.")


def test_a_failed_run_is_dismissed_and_gone_from_the_list(
    marketer_client: Client, automation: Make, failing: list[str]
) -> None:
    """C020: what nobody wants to try again does not stay red for ever."""
    failing.append("Busy.")
    made = automation(on("tag_added", tag="start"), [step("flaky", 1)])
    for _ in range(3):
        tagged(person(), "start")
    worked()
    Run.objects.update(state="dead")
    assert "3 failed" in page(marketer_client, "list")
    one = Run.objects.first()
    assert one
    dismiss = reverse("automations:run-dismiss", args=[one.pk])
    assert dismiss in page(marketer_client, "run", one.pk)
    send(marketer_client, "run-dismiss", one.pk)
    one.refresh_from_db()
    assert (one.standing, one.message) == ("ended", "Dismissed by Mia Marketer.")
    assert dismiss not in page(marketer_client, "run", one.pk)
    assert "2 failed" in page(marketer_client, "list")
    assert "Dismiss all" in page(marketer_client, "automation-runs", made.pk, query="?state=trouble")
    send(marketer_client, "dismiss-failed", made.pk)
    assert not Run.objects.failed().exists()
    assert "failed</a>" not in page(marketer_client, "list")


def test_what_failed_of_a_run_that_goes_on_is_dismissed_and_the_run_stays(
    marketer_client: Client, automation: Make
) -> None:
    """C020: a mail was lost on the way, and the contact is still inside."""
    wait = step("wait", 1, duration={"amount": 1, "unit": "hours"})
    automation(on("tag_added", tag="start"), [wait])
    tagged(person(), "start")
    worked()
    run = Run.objects.get()
    dismiss = reverse("automations:run-dismiss", args=[run.pk])
    assert dismiss not in page(marketer_client, "run", run.pk)
    destination, _ = webhook("https://example.com/hook")
    Delivery.objects.create(destination=destination, kind="webhook", key="told", run=run, state=State.DEAD)
    assert "1 failed" in page(marketer_client, "list")
    shown = page(marketer_client, "run", run.pk)
    assert dismiss in shown and reverse("automations:run-end", args=[run.pk]) in shown
    send(marketer_client, "run-dismiss", run.pk)
    run.refresh_from_db()
    assert run.standing == "waiting"
    assert dismiss not in page(marketer_client, "run", run.pk)
    assert "1 failed" not in page(marketer_client, "list")


def test_nothing_of_an_archived_automation_is_tried_again(
    marketer_client: Client, automation: Make, failing: list[str]
) -> None:
    failing.append("Busy.")
    made = automation(on("tag_added", tag="start"), [step("flaky", 1)])
    tagged(person(), "start")
    worked()
    Run.objects.update(state="dead")
    run = Run.objects.get()
    lifecycle.archive(made.pk)
    assert reverse("automations:run-retry", args=[run.pk]) not in page(marketer_client, "run", run.pk)
    for view, pk in (("run-retry", run.pk), ("retry-failed", made.pk)):
        send(marketer_client, view, pk)
        assert "The automation is archived" in page(marketer_client, "run", run.pk)
        run.refresh_from_db()
        assert run.state == "dead"
    lifecycle.restore(made.pk)
    send(marketer_client, "run-retry", run.pk)
    run.refresh_from_db()
    assert run.state == "due"


def test_all_failed_runs_are_tried_again_at_once(marketer_client: Client, automation: Make) -> None:
    vips = ContactList.objects.create(name="VIPs")
    made = automation(on("tag_added", tag="start"), [step("join_list", 1, list=vips.pk)])
    for _ in range(3):
        tagged(person(), "start")
    gone = vips.pk
    ContactList.objects.all().delete()
    worked()
    assert "Try all failed again" in page(marketer_client, "automation-runs", made.pk, query="?state=failed")
    ContactList.objects.create(pk=gone, name="VIPs")
    send(marketer_client, "retry-failed", made.pk)
    worked()
    assert {run.standing for run in Run.objects.all()} == {"completed"}


def test_a_recipe_is_an_editable_draft_by_one_click(marketer_client: Client) -> None:
    """B054."""
    shown = page(marketer_client, "recipes")
    assert "Payment failed follow-up" in shown
    send(marketer_client, "recipe-use", "payment_failed")
    made = Automation.objects.get()
    assert (made.state, made.recipe) == ("draft", "payment_failed")
    assert "Send a mail" in page(marketer_client, "detail", made.pk)
    send(marketer_client, "recipe-use", "nothing", status=404)


def test_conditions_to_leave_early(marketer_client: Client, draft: Automation) -> None:
    fields = {
        "c-exit_conditions-kind": "group",
        "c-exit_conditions-match": "all",
        "c-exit_conditions-0-kind": "condition",
        "c-exit_conditions-0-field": "contact.email",
        "c-exit_conditions-0-operator": "contains",
        "c-exit_conditions-0-value": "@",
    }
    send(marketer_client, "exits", draft.pk, **fields)
    assert again(draft).exit_conditions
    assert "Leaves early when" in page(marketer_client, "detail", draft.pk)
    send(marketer_client, "exits", draft.pk, **{"c-exit_conditions-kind": "group", "c-exit_conditions-match": "all"})
    assert again(draft).exit_conditions is None


def test_staff_look_and_change_nothing(staff_client: Client, automation: Make) -> None:
    made = automation(on("tag_added", tag="start"), [step("add_tag", 1, tag="x")])
    shown = page(staff_client, "detail", made.pk)
    assert "Add a tag" in shown
    assert "step-s1-up" not in shown
    assert "Pause" not in shown
    send(staff_client, "step-remove", made.pk, "s1", status=403)
    assert Contact.objects.count() == 0


def test_a_mail_written_from_a_step_leads_back_to_it(marketer_client: Client, draft: Automation) -> None:
    step_url = reverse("automations:step-add", args=[draft.pk, "send_mail"]) + "?position=0"
    shown = marketer_client.get(step_url).content.decode()
    assert "Write a new mail" in shown
    address = reverse("campaigns:create") + "?kind=automated&back=" + quote(step_url)
    data = {"kind": "automated", "name": "New", "subject": "Hi", "html": "<p>Hi</p>", "text": ""}
    response = marketer_client.post(address, data)
    assert (response.status_code, response["Location"]) == (302, step_url)


def test_settings_change_nothing_else_of_the_automation(automation: Make) -> None:
    """Somebody pauses it while the form is on its way."""
    made = automation(on("tag_added", tag="x"), [step("add_tag", 1, tag="y")])
    form = AutomationForm({"name": "Other name", "description": ""}, instance=Automation.objects.get(pk=made.pk))
    assert form.is_valid()
    lifecycle.pause(made.pk)
    form.save()
    made = again(made)
    assert (made.name, made.state) == ("Other name", "paused")


def test_an_automation_with_real_contacts_inside_does_not_become_one_for_tests(
    marketer_client: Client, automation: Make
) -> None:
    """C022: a pause alone does not take them out, and resumed they would get mails of a test."""
    made = automation(on("tag_added", tag="x"), [step("wait", 1, duration={"amount": 1, "unit": "days"})])
    tagged(person(), "x")
    worked()
    lifecycle.pause(made.pk)
    sent = {"name": made.name, "description": "", "is_test": "on"}
    assert "are inside" in send(marketer_client, "settings", made.pk, status=422, **sent)
    runs.stop(Run.objects.get_queryset(), "Ended.")
    send(marketer_client, "settings", made.pk, **sent)
    assert again(made).is_test


def test_a_mail_with_event_tags_is_refused_where_no_event_starts_it(automation: Make) -> None:
    mail = Campaign.objects.create(name="Paid", subject="Paid", html="<p>{{ event.name }}</p>")
    steps = [step("send_mail", campaign=mail.pk)]
    draft = lifecycle.create("By tag", None, triggers=[on("tag_added")], steps=steps)
    assert [problem.message for problem in checking.problems(draft)] == [NO_EVENT]
    by_order = lifecycle.create("By order", None, triggers=[on("order_paid")], steps=steps)
    assert checking.problems(by_order) == []


def test_a_mail_is_neither_broken_nor_put_away_under_an_automation(marketer_client: Client, automation: Make) -> None:
    mail = Campaign.objects.create(name="Welcome", subject="Welcome", html="<p>Hello</p>")
    sends = automation(on("tag_added"), [step("send_mail", campaign=mail.pk)], name="Greeting")
    assert f'href="{sends.get_absolute_url()}"' in marketer_client.get(mail.get_absolute_url()).content.decode()
    url = reverse("campaigns:edit", args=[mail.pk])
    written = {"name": "Welcome", "subject": "Welcome"}
    for html, words in (
        ("{{ order.total }}", "order tags"),
        ("{{ recurring_payment.plan_name }}", "payment tags"),
    ):
        refused = marketer_client.post(url, written | {"html": html})
        assert refused.status_code == 422
        assert "“Greeting” sends this mail" in refused.content.decode() and words in refused.content.decode()
    assert marketer_client.post(url, written | {"html": "<p>Hi</p>"}).status_code == 302
    away = marketer_client.post(reverse("campaigns:archive", args=[mail.pk]), follow=True).content.decode()
    assert "This mail is sent by “Greeting”" in away
    mail.refresh_from_db()
    assert mail.html == "<p>Hi</p>" and mail.archived_at is None
    lifecycle.archive(sends.pk)
    marketer_client.post(reverse("campaigns:archive", args=[mail.pk]))
    mail.refresh_from_db()
    assert mail.archived_at


def test_a_mail_that_contacts_of_an_old_version_still_get_is_in_use(automation: Make) -> None:
    """They finish on the one they entered."""
    mail = Campaign.objects.create(name="Late", subject="Late", html="<p>Hello</p>")
    waits = [step("wait", duration={"amount": 1, "unit": "hours"}), step("send_mail", 2, campaign=mail.pk)]
    made = automation(on("tag_added"), waits)
    tagged(person("ana@example.com"), "vip")
    worked()
    lifecycle.save_draft(made.pk, again(made).revision, steps=[step("wait", duration={"amount": 1, "unit": "hours"})])
    lifecycle.activate(made.pk, None)
    assert [use.label for use in usage.uses(mail)] == [made.name]
    Run.objects.update(state="done")
    assert usage.uses(mail) == []
