from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# What an earlier try that was cut short leaves behind: an index that is not valid.
DROP = "drop index concurrently if exists delivery_of_order"


class Migration(migrations.Migration):
    """Beside the work, as there may be many deliveries: an index built at once keeps everybody from writing."""

    atomic = False
    dependencies = [("automations", "0008_dismissed_deliveries")]

    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("order__isnull", False)), fields=["order"], name="delivery_of_order"
            ),
        ),
    ]
