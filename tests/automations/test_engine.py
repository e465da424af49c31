"""Runs step on: waits, ways, exits, failures, pauses, versions, circles."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from automations import dispatch, engine, lifecycle, runs
from automations.models import Run
from common.due import BACKOFF, State
from contacts.models import Contact, ContactList, CustomField, Tag
from tests.automations.conftest import Make, having, later, lines, on, person, step, tagged, worked

pytestmark = pytest.mark.django_db(transaction=True)
TAGGED = on("tag_added", tag="start")


def tags(contact: Contact) -> list[str]:
    return sorted(contact.tags.values_list("name", flat=True))


def test_a_contact_enters_passes_the_steps_and_the_log_shows_it(automation: Make) -> None:
    """B045."""
    vips = ContactList.objects.create(name="VIPs")
    CustomField.objects.create(key="plan", label="Plan")
    made = automation(
        TAGGED,
        [
            step("add_tag", 1, tag="seen"),
            step("join_list", 2, list=vips.pk),
            step("set_field", 3, field="field:plan", value="Pro"),
        ],
    )
    ann = person()
    activity = tagged(ann, "start")
    tagged(ann, "other")
    worked()
    run = Run.objects.get()
    ann.refresh_from_db()
    assert (run.automation, run.contact, run.activity, run.standing) == (made, ann, activity, "completed")
    assert lines(run) == [("s1", "done"), ("s2", "done"), ("s3", "done")]
    assert (tags(ann), ann.custom, list(ann.lists.all())) == (["seen"], {"plan": "Pro"}, [vips])
    assert run.activity and run.activity.dispatched_at


def test_what_an_automation_does_is_told_with_its_name(automation: Make) -> None:
    automation(TAGGED, [step("add_tag", 1, tag="seen")], name="Welcome")
    ann = person()
    tagged(ann, "start")
    worked()
    told = ann.activities.get(data__tag="seen")
    assert (told.origin, told.data["automation"], told.data["depth"]) == ("automation", "Welcome", 1)


def test_a_wait_is_a_row_of_the_future_and_over_when_its_time_has_come(automation: Make) -> None:
    automation(TAGGED, [step("wait", 1, duration={"amount": 3, "unit": "days"}), step("add_tag", 2, tag="later")])
    ann = person()
    tagged(ann, "start")
    worked()
    run = Run.objects.get()
    assert (run.standing, run.step, tags(ann)) == ("waiting", "s1", [])
    assert run.wake_at and timedelta(days=2.9) < run.wake_at - run.started_at < timedelta(days=3.1)
    later(run, seconds=1)
    worked()
    run.refresh_from_db()
    assert (run.standing, tags(ann)) == ("completed", ["later"])
    assert lines(run) == [("s1", "waiting"), ("s1", "done"), ("s2", "done")]


def test_if_else_goes_the_way_of_the_segment_and_meets_again_after_it(automation: Make) -> None:
    """B037."""
    ways = {"yes": [step("add_tag", 2, tag="gold")], "no": [step("add_tag", 3, tag="tin")]}
    conditions = having("contact.tag", "has", "vip")
    automation(TAGGED, [step("if_else", 1, ways, conditions=conditions), step("add_tag", 4, tag="end")])
    ann, bob = person(), person()
    Tag.objects.create(name="vip").contacts.add(ann)
    tagged(ann, "start")
    tagged(bob, "start")
    worked()
    assert (tags(ann), tags(bob)) == (["end", "gold", "vip"], ["end", "tin"])


def test_a_wait_for_conditions_is_over_as_soon_as_something_makes_them_true(automation: Make) -> None:
    wait = step("wait_until", 1, conditions=having("contact.tag", "has", "paid"), at_most={"amount": 5, "unit": "days"})
    automation(TAGGED, [wait, step("add_tag", 2, tag="thanked")])
    ann, bob = person(), person()
    tagged(ann, "start")
    tagged(bob, "start")
    worked()
    Tag.objects.create(name="paid").contacts.add(ann)
    tagged(ann, "paid")
    tagged(bob, "unpaid")
    worked()
    assert (tags(ann), tags(bob)) == (["paid", "thanked"], [])
    assert Run.objects.get(contact=bob).standing == "waiting"


@pytest.mark.parametrize(("otherwise", "expected"), [("go_on", ["thanked"]), ("end", [])])
def test_a_wait_for_conditions_ends_with_its_time(automation: Make, otherwise: str, expected: list[str]) -> None:
    conditions = having("contact.tag", "has", "paid")
    at_most = {"amount": 5, "unit": "days"}
    automation(
        TAGGED,
        [
            step("wait_until", 1, conditions=conditions, at_most=at_most, otherwise=otherwise),
            step("add_tag", 2, tag="thanked"),
        ],
    )
    ann = person()
    tagged(ann, "start")
    worked()
    later(Run.objects.get(), seconds=1)
    worked()
    assert tags(ann) == expected
    assert Run.objects.get().standing == "completed"


def test_a_wait_until_a_date_follows_the_date(automation: Make) -> None:
    CustomField.objects.create(key="birthday", label="Birthday", type="datetime")
    automation(
        TAGGED, [step("wait_until_date", 1, field="contact.field:birthday"), step("add_tag", 2, tag="congratulated")]
    )
    ann = person(custom={"birthday": "2999-01-01T00:00:00Z"})
    tagged(ann, "start")
    worked()
    assert Run.objects.get().standing == "waiting"
    Contact.objects.filter(pk=ann.pk).update(custom={"birthday": "2001-01-01T00:00:00Z"})
    tagged(ann, "news")
    worked()
    assert tags(ann) == ["congratulated"]


def test_who_matches_the_exit_conditions_leaves_before_the_next_step(automation: Make) -> None:
    automation(
        TAGGED,
        [step("wait", 1, duration={"amount": 1, "unit": "days"}), step("add_tag", 2, tag="reminded")],
        exit_conditions=having("contact.tag", "has", "paid"),
    )
    ann = person()
    tagged(ann, "start")
    worked()
    Tag.objects.create(name="paid").contacts.add(ann)
    run = Run.objects.get()
    later(run, seconds=1)
    worked()
    run.refresh_from_db()
    assert (run.standing, run.message, tags(ann)) == ("ended", "Matched the conditions to leave.", ["paid"])


def test_a_failed_step_is_logged_and_tried_again_by_schedule_until_it_has_failed(automation: Make) -> None:
    """C020: each failure is a line of the log; a person may have the run go on."""
    vips = ContactList.objects.create(name="VIPs")
    automation(TAGGED, [step("join_list", 1, list=vips.pk)])
    ann = person()
    tagged(ann, "start")
    dispatch.drain()
    gone = vips.pk
    vips.delete()
    worked()
    run = Run.objects.get()
    assert (run.standing, lines(run)) == ("failed", [("s1", "failed")])
    assert run.message == "The list of this step was deleted."
    ContactList.objects.create(pk=gone, name="VIPs again")
    assert runs.retry(Run.objects.get_queryset())
    assert not runs.retry(Run.objects.get_queryset())
    worked()
    run.refresh_from_db()
    assert (run.standing, lines(run)) == ("completed", [("s1", "failed"), ("s1", "done")])


def test_what_fails_now_and_then_is_tried_again_later(automation: Make, failing: list[str]) -> None:
    automation(TAGGED, [step("flaky", 1)])
    failing.append("The other side is busy.")
    tagged(person(), "start")
    worked()
    run = Run.objects.get()
    (line,) = run.log.all()
    assert (run.standing, run.attempts, line.result, line.status, line.body) == ("retrying", 1, "retry", 503, "busy")
    for attempt in range(1, len(BACKOFF) + 1):
        assert run.attempts == attempt
        Run.objects.update(next_attempt_at=Now())
        worked()
        run.refresh_from_db()
    assert (run.standing, run.log.count()) == ("failed", len(BACKOFF) + 1)


def test_a_failure_leaves_nothing_of_its_step_behind(automation: Make, failing: list[str]) -> None:
    automation(TAGGED, [step("flaky", 1)])
    failing.append("no")
    ann = person()
    tagged(ann, "start")
    worked()
    assert tags(ann) == []
    failing.clear()
    Run.objects.update(next_attempt_at=Now())
    worked()
    assert tags(ann) == ["flaky"]


def test_pausing_stops_runs_where_they_are_and_nobody_enters(automation: Make) -> None:
    made = automation(TAGGED, [step("wait", 1, duration={"amount": 1, "unit": "hours"}), step("add_tag", 2, tag="x")])
    ann, bob = person(), person()
    tagged(ann, "start")
    worked()
    lifecycle.pause(made.pk)
    run = Run.objects.get()
    assert run.standing == "paused"
    later(run, seconds=1)
    tagged(bob, "start")
    worked()
    assert (tags(ann), Run.objects.count()) == ([], 1)
    lifecycle.resume(made.pk)
    worked()
    assert tags(ann) == ["x"]


def test_a_run_that_was_claimed_before_the_pause_stops_too(automation: Make) -> None:
    made = automation(TAGGED, [step("add_tag", 1, tag="x")])
    ann = person()
    tagged(ann, "start")
    dispatch.drain()
    (claimed,) = Run.objects.claim(1)
    lifecycle.pause(made.pk)
    engine.work([claimed])
    assert (tags(ann), Run.objects.get().state) == ([], State.HELD)


def test_contacts_inside_finish_on_the_version_they_entered(automation: Make) -> None:
    """Reliability, fault 68."""
    hour = {"amount": 1, "unit": "hours"}
    made = automation(TAGGED, [step("wait", 1, duration=hour), step("add_tag", 2, tag="old")])
    ann, bob = person(), person()
    tagged(ann, "start")
    worked()
    steps = [step("wait", 1, duration=hour), step("add_tag", 2, tag="new")]
    lifecycle.save_draft(made.pk, made.revision, steps=steps)
    assert lifecycle.activate(made.pk, None).number == 2
    tagged(bob, "start")
    worked()
    for run in Run.objects.all():
        later(run, seconds=1)
    worked()
    assert (tags(ann), tags(bob)) == (["old"], ["new"])


def test_activating_the_same_draft_again_makes_no_version(automation: Make) -> None:
    made = automation(TAGGED, [step("add_tag", 1, tag="x")])
    assert lifecycle.activate(made.pk, None).number == 1


def test_a_draft_with_problems_is_not_activated_and_says_why(db: None) -> None:
    made = lifecycle.create("Empty", None)
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.activate(made.pk, None)
    assert [problem.place for problem in refused.value.problems] == ["triggers", "steps"]


def test_two_automations_that_undo_each_other_come_to_an_end(automation: Make) -> None:
    automation(on("tag_added", tag="a"), [step("remove_tag", 1, tag="a"), step("add_tag", 2, tag="b")])
    automation(on("tag_added", tag="b"), [step("remove_tag", 1, tag="b"), step("add_tag", 2, tag="a")])
    ann = person()
    Tag.objects.create(name="a").contacts.add(ann)
    tagged(ann, "a")
    worked()
    stopped = Run.objects.get(state=State.DEAD)
    assert stopped.depth == 6
    assert "started one another" in stopped.message
    assert Run.objects.filter(state=State.DONE).count() == 6


def test_one_automation_starts_and_ends_another(automation: Make) -> None:
    other = automation(
        on("started"), [step("wait", 1, duration={"amount": 1, "unit": "days"}), step("add_tag", 2, tag="x")]
    )
    automation(TAGGED, [step("start_automation", 1, automation=other.pk)])
    automation(on("tag_added", tag="stop"), [step("end_automation", 1, automation=other.pk)])
    ann = person()
    tagged(ann, "start")
    worked()
    run = Run.objects.get(automation=other)
    assert (run.standing, run.depth) == ("waiting", 1)
    tagged(ann, "stop")
    worked()
    run.refresh_from_db()
    assert run.standing == "ended"


@pytest.mark.parametrize("ended_first", [False, True])
def test_an_automation_ends_another_that_began_in_the_same_moment(automation: Make, ended_first: bool) -> None:
    """Both runs are claimed together, and each may be the one that is worked first."""
    waits = [step("wait", 1, duration={"amount": 1, "unit": "days"})]
    first, second = automation(TAGGED, waits), automation(TAGGED, waits)
    ended, ending = (first, second) if ended_first else (second, first)
    ending = lifecycle.save_draft(ending.pk, ending.revision, steps=[step("end_automation", 1, automation=ended.pk)])
    lifecycle.activate(ending.pk, None)
    tagged(person(), "start")
    worked()
    assert Run.objects.get(automation=ending).standing == "completed"
    assert Run.objects.get(automation=ended).standing == "ended"


def test_runs_follow_a_merge(automation: Make, marketer: object) -> None:
    """Where both had been in an automation that runs once, both runs go on."""
    from contacts import merging

    automation(
        on("tag_added", tag="start", once=True),
        [step("wait", 1, duration={"amount": 1, "unit": "days"}), step("add_tag", 2, tag="after")],
    )
    kept, gone = person(), person()
    tagged(kept, "start")
    tagged(gone, "start")
    worked()
    merging.merge(kept.pk, gone.pk, marketer)  # type: ignore[arg-type]
    assert set(Run.objects.values_list("contact", flat=True)) == {kept.pk}
    for run in Run.objects.all():
        later(run, seconds=1)
    worked()
    assert tags(kept) == ["after"]
    assert {run.standing for run in Run.objects.all()} == {"completed"}


def test_archiving_ends_what_was_under_way(automation: Make) -> None:
    made = automation(TAGGED, [step("wait", 1, duration={"amount": 1, "unit": "days"})])
    tagged(person(), "start")
    worked()
    lifecycle.archive(made.pk)
    assert Run.objects.get().standing == "ended"


@pytest.mark.parametrize("how", ["stop", "archive"])
def test_a_run_that_was_ended_stays_so_when_its_worker_puts_it_back(automation: Make, how: str) -> None:
    made = automation(TAGGED, [step("add_tag", 1, tag="x")])
    tagged(person(), "start")
    dispatch.drain()
    (claimed,) = Run.objects.claim(10)
    if how == "stop":
        runs.stop(Run.objects.get_queryset(), "Ended by somebody.")
    else:
        lifecycle.archive(made.pk)
    claimed.later(timedelta(0))
    assert Run.objects.get().standing == "ended"


def test_runs_that_ended_long_ago_go_with_their_log(automation: Make) -> None:
    from automations import retention

    automation(TAGGED, [step("add_tag", 1, tag="x")])
    for _ in range(3):
        tagged(person(), "start")
    worked()
    old = Run.objects.order_by("pk").first()
    assert old
    Run.objects.filter(pk=old.pk).update(ended_at=Now() - timedelta(days=401))
    assert retention.clear_old() == 1
    assert not Run.objects.filter(pk=old.pk).exists()
    assert Run.objects.count() == 2
