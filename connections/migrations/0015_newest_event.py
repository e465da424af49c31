from django.db import migrations, models


class Migration(migrations.Migration):
    """When the newest event about an object happened, apart from when its state was true."""

    dependencies = [("connections", "0014_bodies_as_text")]
    operations = [
        migrations.AddField(
            model_name="remoteobject",
            name="event_at",
            field=models.DateTimeField(
                blank=True, help_text="of the newest event about it, where that counts", null=True
            ),
        ),
    ]
