"""The newest log row of a resource without reading the whole log: the app page asks it for each."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="synclogentry",
            index=models.Index(fields=["connection", "resource_kind", "-id"], name="log_by_resource"),
        ),
    ]
