from django.db import migrations, models


class Migration(migrations.Migration):
    """Processes of the version before go on for a while, and make mails without a column they know nothing of."""

    dependencies = [("campaigns", "0005_mails_to_tally")]

    operations = [
        # Of this transaction alone: rather fail, to be tried again, than have everybody who makes mails wait behind it.
        migrations.RunSQL("set local lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="mail",
            name="is_tallied",
            field=models.BooleanField(
                db_default=False, default=False, help_text="counted for good; see campaigns.tallying"
            ),
        ),
    ]
