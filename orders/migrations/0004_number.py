import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Orders are looked up by their number."""

    atomic = False
    dependencies = [("orders", "0003_fewer_indexes")]
    operations = [
        # What an earlier try that was cut short leaves behind: an index that is not valid.
        migrations.RunSQL("drop index concurrently if exists order_number", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                django.db.models.functions.text.Upper("number"),
                condition=~models.Q(number=""),
                name="order_number",
            ),
        ),
    ]
