from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

_INDEX = models.Index(Upper("contact_email"), condition=models.Q(("contact", None)), name="log_of_nobody")


class Migration(migrations.Migration):
    """The log is searched by address, also of rows that came to no contact; they were looked for in all of them."""

    atomic = False
    dependencies = [("connections", "0025_unchecked_since")]
    operations = [
        # What an earlier try that was cut short leaves behind: an index that is not valid.
        migrations.RunSQL(f"drop index concurrently if exists {_INDEX.name}", migrations.RunSQL.noop),
        AddIndexConcurrently(model_name="synclogentry", index=_INDEX),
    ]
