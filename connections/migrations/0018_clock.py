from django.db import migrations, models


class Migration(migrations.Migration):
    """How far our clock is from Stripe's."""

    dependencies = [("connections", "0017_newest_event_of_held_objects")]
    operations = [
        migrations.AddField(
            model_name="connectionstatus",
            name="clock_ahead",
            field=models.IntegerField(
                db_default=0,
                help_text="seconds the database's clock was ahead of Stripe's at the last poll; negative: behind",
            ),
        ),
    ]
