from django.db import migrations

_PAGE = 10_000
_FILL = """
    update connections_remoteobject set event_at = as_of
    where id > %s and id <= %s and type = 'subscription' and event_id <> '' and event_at is null
"""


def fill(apps, schema_editor):
    """What came with an event was newest by that event; of what was read since, none is known."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from connections_remoteobject")
        (last,) = cursor.fetchone()
        for start in range(0, last, _PAGE):
            cursor.execute(_FILL, [start, start + _PAGE])


class Migration(migrations.Migration):
    """Apart from the column, so that it can be run again when it was stopped."""

    # Each page commits for itself.
    atomic = False
    dependencies = [("connections", "0016_room_for_updates")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
