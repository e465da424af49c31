from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Beside the work. A try that was cut short is repeated from its beginning: the index goes if there is one."""

    atomic = False
    dependencies = [
        ("automations", "0007_trigger_ids"),
        ("contacts", "0004_live_contacts"),
        ("orders", "0002_sums_of_contacts"),
        ("recurring_payments", "0004_status_with_contact"),
    ]

    operations = [
        RemoveIndexConcurrently(model_name="delivery", name="delivery_old"),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["done", "ignored"])), fields=["finished_at"], name="delivery_old"
            ),
        ),
    ]
