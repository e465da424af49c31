from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0022_rare_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="syncwindow",
            name="unanswered",
            field=models.PositiveSmallIntegerField(
                # Processes of the version before go on for a while, and know nothing of the column.
                db_default=0,
                default=0,
                help_text="tries of a page in a row that Stripe left unanswered, but others not",
            ),
        ),
    ]
