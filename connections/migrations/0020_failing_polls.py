import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0019_unread_objects"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectionstatus",
            name="poll_error",
            field=models.CharField(
                blank=True,
                # Processes of the version before go on for a while, and know nothing of the column.
                db_default="",
                default="",
                help_text="why the last did not, in words",
                max_length=500,
            ),
        ),
        migrations.AddField(
            model_name="connectionstatus",
            name="poll_moved_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), help_text="when a poll last brought us forward"
            ),
        ),
    ]
