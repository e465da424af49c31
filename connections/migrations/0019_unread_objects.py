from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_PAGE = 10_000
# A right that the key lacked counted as the object's deletion. What we held shows again, and everything is asked for
# once more; that an object does not exist is no reason to show.
_MEND = """
    update connections_remoteobject set
        deleted_at = case when wanted_error like '%%permission%%' and length(body) > 400 then null else deleted_at end,
        wanted_at = case when wanted_error like '%%permission%%' then statement_timestamp() end,
        wanted_attempts = 0, wanted_error = ''
    where id > %s and id <= %s and wanted_error <> '' and wanted_at is null
"""
# What an earlier try that was cut short leaves behind: an index that is not valid.
DROP = "drop index concurrently if exists remote_object_unread"


def mend(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from connections_remoteobject")
        (last,) = cursor.fetchone()
        for start in range(0, last, _PAGE):
            cursor.execute(_MEND, [start, start + _PAGE])


class Migration(migrations.Migration):
    """Objects that cannot be read are set aside with the reason, apart from those that Stripe deleted."""

    # Each page commits for itself, and the index is built beside the work.
    atomic = False
    dependencies = [("connections", "0018_clock")]
    operations = [
        migrations.RunPython(mend, migrations.RunPython.noop),
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="remoteobject",
            index=models.Index(
                condition=models.Q(("wanted_at__isnull", True), models.Q(("wanted_error", ""), _negated=True)),
                fields=["connection", "type"],
                name="remote_object_unread",
            ),
        ),
    ]
