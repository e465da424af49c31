import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0003_references"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rederivation",
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
                ("shared", models.CharField(help_text="key of the object that changed", max_length=300)),
                ("occurred_at", models.DateTimeField()),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("webhook", "Webhook"),
                            ("poll", "Poll"),
                            ("history", "History"),
                            ("replay", "Replay"),
                            ("user", "User"),
                            ("api", "API"),
                            ("automation", "Automation"),
                        ],
                        max_length=10,
                    ),
                ),
                ("key", models.CharField(help_text="names the fact that changed it, for the timeline", max_length=400)),
                ("silent", models.BooleanField(default=False)),
                ("after", models.BigIntegerField(default=0, help_text="primary key of the last subscription derived")),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rederivations",
                        to="connections.connection",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "due")), fields=["next_attempt_at", "id"], name="rederivation_due"
                    ),
                    models.Index(
                        condition=models.Q(("state", "running")), fields=["lease_until"], name="rederivation_lease"
                    ),
                ],
            },
        ),
    ]
