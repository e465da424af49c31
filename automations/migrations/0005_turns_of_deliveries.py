from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

# What an earlier try that was cut short leaves behind: an index that is not valid.
DROP_TURNS = "drop index concurrently if exists delivery_turns"
DROP_FAILED_OLD = "drop index concurrently if exists delivery_failed_old"


class Migration(migrations.Migration):
    """Beside the work, as there may be many deliveries: an index built at once keeps everybody from writing."""

    atomic = False
    dependencies = [
        ("automations", "0004_mail_news"),
        ("contacts", "0004_live_contacts"),
        ("orders", "0002_sums_of_contacts"),
        ("recurring_payments", "0004_status_with_contact"),
    ]

    operations = [
        migrations.RunSQL(DROP_TURNS, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "due")),
                fields=["destination", "next_attempt_at", "id"],
                name="delivery_turns",
            ),
        ),
        migrations.RunSQL(DROP_FAILED_OLD, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "dead")), fields=["finished_at"], name="delivery_failed_old"
            ),
        ),
        RemoveIndexConcurrently(model_name="delivery", name="delivery_due"),
    ]
