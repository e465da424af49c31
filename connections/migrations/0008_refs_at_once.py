import django.contrib.postgres.indexes
from django.db import migrations

_INDEX = {"fields": ["refs"], "name": "remote_object_refs"}


class Migration(migrations.Migration):
    """What is named by objects is found in the index itself: its list of pending entries was read for every key asked."""

    dependencies = [("connections", "0007_fewer_indexes")]
    operations = [
        # The index stays as it is, only its setting changes; what is still pending is put in its place.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "alter index remote_object_refs set (fastupdate = off)",
                    "alter index remote_object_refs reset (fastupdate)",
                ),
                migrations.RunSQL(
                    "select gin_clean_pending_list('remote_object_refs'::regclass)", migrations.RunSQL.noop
                ),
            ],
            state_operations=[
                migrations.RemoveIndex("remoteobject", "remote_object_refs"),
                migrations.AddIndex(
                    "remoteobject", django.contrib.postgres.indexes.GinIndex(**_INDEX, fastupdate=False)
                ),
            ],
        ),
    ]
