from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# What an earlier try that was cut short leaves behind: an index that is not valid.
DROP = "drop index concurrently if exists {}"


class Migration(migrations.Migration):
    """Beside the work, as there may be many mails: an index built at once keeps everybody from writing."""

    atomic = False
    dependencies = [("campaigns", "0004_tallies")]

    operations = [
        migrations.RunSQL(DROP.format("mail_untallied"), migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="mail",
            index=models.Index(condition=models.Q(("is_tallied", False)), fields=["campaign"], name="mail_untallied"),
        ),
        migrations.RunSQL(DROP.format("mail_to_tally"), migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="mail",
            index=models.Index(
                condition=models.Q(
                    ("is_tallied", False), models.Q(("outcome__in", ["queued", "unknown"]), _negated=True)
                ),
                fields=["id"],
                name="mail_to_tally",
            ),
        ),
        migrations.RunSQL(DROP.format("mail_oldest"), migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="mail",
            index=models.Index(fields=["created_at"], name="mail_oldest"),
        ),
    ]
