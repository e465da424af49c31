from django.db import migrations

import common.json_text


class Migration(migrations.Migration):
    """Nobody asks the database what is in a body, so it is neither taken apart nor compressed when it is written.

    Writes the table of objects anew, once. Bodies of the inbox that are there stay as they are until retention empties
    them.
    """

    dependencies = [("connections", "0013_failed_orders")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "alter table connections_remoteobject alter body type text using body::text, "
                    "alter body set storage external",
                    "alter table connections_remoteobject alter body type jsonb using body::jsonb, "
                    "alter body set storage extended",
                )
            ],
            state_operations=[
                migrations.AlterField("remoteobject", "body", common.json_text.JSONTextField(blank=True, null=True))
            ],
        ),
        migrations.RunSQL(
            "alter table connections_inboundevent alter body set storage external",
            "alter table connections_inboundevent alter body set storage extended",
        ),
    ]
