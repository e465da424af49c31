from django.db import migrations

import common.json_text


class Migration(migrations.Migration):
    """Nobody asks the database what is in a body, so it is neither taken apart nor compressed when it is written.

    Writes the table of objects anew. Bodies of the inbox that are there stay compressed until retention empties them.
    """

    dependencies = [("connections", "0013_failed_orders")]
    operations = [
        migrations.AlterField("remoteobject", "body", common.json_text.JSONTextField(blank=True, null=True)),
        migrations.RunSQL(
            "alter table connections_remoteobject alter body set storage external",
            "alter table connections_remoteobject alter body set storage extended",
        ),
        migrations.RunSQL(
            "alter table connections_inboundevent alter body set storage external",
            "alter table connections_inboundevent alter body set storage extended",
        ),
    ]
