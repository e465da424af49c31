"""What checks, bulk replays, retention and the pages need: kinds of runs, their cursors, counts of the log."""

import datetime

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0004_rederivation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkReplay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("held", "Held"),
                            ("done", "Done"),
                            ("ignored", "Ignored"),
                            ("dead", "Dead"),
                        ],
                        default="due",
                        max_length=8,
                    ),
                ),
                ("claim_no", models.PositiveIntegerField(default=0, help_text="+1 at every claim: a fencing token")),
                (
                    "claims",
                    models.PositiveSmallIntegerField(default=0, help_text="claims since the last clean end: suspicion"),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, help_text="clean failures")),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("next_attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_error_code", models.CharField(blank=True, default="", max_length=60)),
                ("last_error", models.CharField(blank=True, default="", max_length=500)),
                ("filter", models.JSONField(default=dict)),
                ("found", models.PositiveIntegerField(help_text="as told to whoever said yes")),
                ("replayed", models.PositiveIntegerField(default=0)),
                ("until_id", models.BigIntegerField()),
                ("after_id", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LogCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource_kind", models.CharField(blank=True, default="", max_length=20)),
                ("day", models.DateField(help_text="in the time zone of the installation")),
                ("result", models.CharField(max_length=10)),
                ("number", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Sighting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("type", models.CharField(max_length=40)),
                ("external_id", models.CharField(max_length=255)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="syncrun",
            name="one_open_run_a_resource",
        ),
        migrations.RemoveConstraint(
            model_name="syncwindow",
            name="window_once_a_run",
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="bodies_cleared_until",
            field=models.DateTimeField(blank=True, help_text="a cursor of retention", null=True),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="gap_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Stripe lists no events from then on any more: every object is to be compared",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="mended",
            field=models.CharField(
                blank=True, default="", help_text="what was wrong with it, in words", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="mended_at",
            field=models.DateTimeField(blank=True, help_text="when the endpoint was found out of step", null=True),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="next_reconcile_at",
            field=models.DateTimeField(
                db_default=django.db.models.expressions.CombinedExpression(
                    django.db.models.functions.datetime.Now(), "+", models.Value(datetime.timedelta(days=1))
                ),
                help_text="of the nightly comparison of objects",
            ),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="reconciled_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="kind",
            field=models.CharField(
                choices=[
                    ("history", "Import of history"),
                    ("check", "Nightly check"),
                    ("full_check", "Check of every object"),
                ],
                default="history",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="repaired",
            field=models.PositiveIntegerField(default=0, help_text="objects a check found different, and put right"),
        ),
        migrations.AddField(
            model_name="syncwindow",
            name="listing",
            field=models.CharField(
                blank=True,
                default="",
                help_text="what a check walks: a kind of object, and which of them",
                max_length=40,
            ),
        ),
        migrations.AddIndex(
            model_name="inboundevent",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["connection", "occurred_at"], name="inbound_waiting"
            ),
        ),
        migrations.AddIndex(
            model_name="inboundevent",
            index=models.Index(
                condition=models.Q(("missed", True)), fields=["connection", "-received_at"], name="inbound_missed"
            ),
        ),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.UniqueConstraint(
                models.F("resource"),
                condition=models.Q(("kind", "history"), ("state__in", ["queued", "running", "waiting", "paused"])),
                name="one_open_import_a_resource",
            ),
        ),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.UniqueConstraint(
                models.F("resource"),
                condition=models.Q(
                    ("kind__in", ["check", "full_check"]), ("state__in", ["queued", "running", "waiting", "paused"])
                ),
                name="one_open_check_a_resource",
            ),
        ),
        migrations.AddConstraint(
            model_name="syncwindow",
            constraint=models.UniqueConstraint(
                models.F("run"), models.F("listing"), models.F("starts_at"), name="window_once_a_listing"
            ),
        ),
        migrations.AddField(
            model_name="bulkreplay",
            name="started_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="logcount",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="connections.connection"
            ),
        ),
        migrations.AddField(
            model_name="sighting",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sightings", to="connections.syncrun"
            ),
        ),
        migrations.AddIndex(
            model_name="bulkreplay",
            index=models.Index(
                condition=models.Q(("state__in", ["due", "running"])),
                fields=["next_attempt_at"],
                name="bulk_replay_open",
            ),
        ),
        migrations.AddIndex(
            model_name="logcount",
            index=models.Index(fields=["day", "connection"], name="log_count_by_day"),
        ),
        migrations.AddConstraint(
            model_name="sighting",
            constraint=models.UniqueConstraint(
                models.F("run"), models.F("type"), models.F("external_id"), name="sighting_once_a_run"
            ),
        ),
    ]
