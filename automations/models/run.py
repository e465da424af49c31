from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from automations.models.automation import Automation, AutomationVersion
from campaigns.models import Mail
from common.due import DueManager, DueQuerySet, DueRow, State
from contacts.models import Activity, Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment

# Under way; the others are over.
OPEN = (State.DUE, State.RUNNING, State.HELD)


class RunQuerySet(DueQuerySet["Run"]):
    def under_way(self) -> RunQuerySet:
        return self.filter(state__in=OPEN)

    def failed(self) -> RunQuerySet:
        return self.filter(state=State.DEAD)


class RunManager(DueManager["Run"]):
    def get_queryset(self) -> RunQuerySet:
        return RunQuerySet(self.model, using=self._db)

    def under_way(self) -> RunQuerySet:
        return self.get_queryset().under_way()

    def failed(self) -> RunQuerySet:
        return self.get_queryset().failed()


class Run(DueRow):
    """A contact on its way through a version. `due` and `running` are under way (a wait is a due row of the future),
    `held` while the automation is paused, `done`, `ignored` when it ended early, `dead` when a step failed for good.
    """

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="runs", db_index=False)
    version = models.ForeignKey(AutomationVersion, on_delete=models.CASCADE, related_name="runs", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="runs", db_index=False)
    recurring_payment = models.ForeignKey(
        RecurringPayment, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    order = models.ForeignKey(Order, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    activity = models.ForeignKey(
        Activity, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="what started it"
    )
    start_key = models.CharField(max_length=200, help_text="the same start has the same key: activity:7")
    runs_once = models.BooleanField(default=False, help_text="no other run of this automation for this contact")
    started_by = models.CharField(max_length=300, help_text="in words: the activity's summary, the date, who")
    trigger = models.CharField(max_length=60, help_text="key of the trigger")
    event = models.JSONField(default=dict, blank=True, help_text="what the activity told: data, and its changes")
    is_test = models.BooleanField(default=False)
    depth = models.PositiveSmallIntegerField(default=0, help_text="automations that started one another before it")

    step = models.CharField(max_length=20, blank=True, default="", help_text="id of the step that comes; empty: over")
    wake_at = models.DateTimeField(null=True, blank=True, help_text="when the wait of this step is over at the latest")
    listens = models.BooleanField(default=False, help_text="look again when something happens to the contact")
    message = models.CharField(max_length=500, blank=True, default="", help_text="how it stands, or why it ended")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RunManager()

    class Meta:
        constraints = [
            models.UniqueConstraint("automation", "start_key", name="run_once_a_start"),
            models.UniqueConstraint(
                fields=["automation", "contact"], condition=models.Q(runs_once=True), name="run_once_a_contact"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="run_due", condition=models.Q(state=State.DUE)),
            models.Index(
                fields=["next_attempt_at", "id"],
                name="run_suspects",
                condition=models.Q(state=State.DUE, claims__gt=0),
            ),
            models.Index(fields=["lease_until"], name="run_lease", condition=models.Q(state=State.RUNNING)),
            models.Index(fields=["contact"], name="run_listening", condition=models.Q(listens=True)),
            models.Index(fields=["automation", "state", "-id"], name="run_of_automation"),
            models.Index(fields=["version", "state"], name="run_of_version"),
            models.Index(fields=["contact", "-id"], name="run_of_contact"),
            models.Index(fields=["ended_at"], name="run_ended", condition=models.Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.automation} · {self.contact}"

    def get_absolute_url(self) -> str:
        return reverse("automations:run", args=[self.pk])

    @property
    def is_over(self) -> bool:
        return self.state not in OPEN

    @property
    def standing(self) -> str:
        """One word for people: waiting, retrying, running, paused, completed, ended, failed."""
        if self.state == State.DUE:
            return "waiting" if self.wake_at else "retrying" if self.attempts else "running"
        words = {State.HELD: "paused", State.DONE: "completed", State.IGNORED: "ended", State.DEAD: "failed"}
        return words.get(State(self.state), "running")


class RunStep(models.Model):
    """The log of a run: one row each time a step was worked, oldest first by primary key."""

    class Result(models.TextChoices):
        DONE = "done", "Done"
        BRANCH = "branch", "Chose a way"
        WAITING = "waiting", "Waiting"
        RETRY = "retry", "Failed, will be tried again"
        FAILED = "failed", "Failed"
        ENDED = "ended", "Ended the run"
        SKIPPED = "skipped", "Not sent"
        NOTE = "note", "Note"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log", db_index=False)
    step = models.CharField(max_length=20, blank=True, default="", help_text="id in the version's tree")
    action = models.CharField(max_length=60, blank=True, default="")
    result = models.CharField(max_length=8, choices=Result.choices)
    message = models.CharField(max_length=500, blank=True, default="")
    branch = models.CharField(max_length=20, blank=True, default="")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="what a foreign system answered")
    body = models.TextField(blank=True, default="", help_text="the beginning of its answer")
    mail = models.ForeignKey(Mail, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True, help_text="when colleagues were told of a failure")

    class Meta:
        constraints = [
            # A step of a run happens once, whoever works it.
            models.UniqueConstraint(
                fields=["run", "step"], condition=models.Q(result__in=["done", "branch"]), name="run_step_done_once"
            )
        ]
        indexes = [
            models.Index(fields=["run", "id"], name="run_step_of_run"),
            models.Index(
                fields=["id"], name="run_step_untold", condition=models.Q(result="failed", told_at__isnull=True)
            ),
            models.Index(fields=["mail"], name="run_step_of_mail", condition=models.Q(mail__isnull=False)),
            # Those a failure mail mentions by their number.
            models.Index(fields=["finished_at"], name="run_step_skipped", condition=models.Q(result="skipped")),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.step} {self.result}"
