from django.db import migrations, models

_PAGE = 10_000
_FILL = """
    update connections_remoteobject set event_at = as_of
    where id > %s and id <= %s and type = 'subscription' and event_id <> ''
"""


def fill(apps, schema_editor):
    """What came with an event was newest by that event; of what was read since, none is known."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from connections_remoteobject")
        (last,) = cursor.fetchone()
        for start in range(0, last, _PAGE):
            cursor.execute(_FILL, [start, start + _PAGE])


class Migration(migrations.Migration):
    """When the newest event about an object happened, apart from when its state was true."""

    # Each page commits for itself.
    atomic = False
    dependencies = [("connections", "0014_bodies_as_text")]
    operations = [
        migrations.AddField(
            model_name="remoteobject",
            name="event_at",
            field=models.DateTimeField(
                blank=True, help_text="of the newest event about it, where that counts", null=True
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
