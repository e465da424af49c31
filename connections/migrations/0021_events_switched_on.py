from django.db import migrations, models


class Migration(migrations.Migration):
    """Since when an event is on that was switched on after its resource was connected."""

    dependencies = [("connections", "0020_failing_polls")]
    operations = [
        migrations.AddField(
            model_name="resource",
            name="events_since",
            field=models.JSONField(
                blank=True,
                # Processes of the version before go on for a while, and know nothing of the column.
                db_default={},
                default=dict,
                help_text="type switched on later -> Stripe's clock then, in seconds",
            ),
        ),
    ]
