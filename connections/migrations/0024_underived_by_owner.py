from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Marks of an import are worked by customers. Every event asks for them, so no page of them may stand still."""

    atomic = False
    dependencies = [("connections", "0023_unanswered_pages")]
    operations = [
        migrations.AddField(
            model_name="underived",
            name="owner",
            field=models.CharField(
                db_default="",
                help_text="key of the customer, whose marks are worked together; may be unknown",
                max_length=300,
            ),
        ),
        # What an earlier try that was cut short leaves behind: an index that is not valid.
        migrations.RunSQL("drop index concurrently if exists underived_by_owner", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="underived",
            index=models.Index(fields=["connection", "owner", "stage", "id"], name="underived_by_owner"),
        ),
        migrations.RemoveIndex(model_name="underived", name="underived_order"),
    ]
