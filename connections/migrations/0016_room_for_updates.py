from django.db import migrations


class Migration(migrations.Migration):
    """An object that is only seen again changes no indexed column: with room on its page no index is written."""

    dependencies = [("connections", "0015_newest_event")]
    operations = [
        migrations.RunSQL(
            "alter table connections_remoteobject set (fillfactor = 80)",
            "alter table connections_remoteobject reset (fillfactor)",
        )
    ]
