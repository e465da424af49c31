from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0023_unanswered_pages"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectionstatus",
            name="unchecked_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Stripe could not be asked about the endpoint, from then to this moment",
                null=True,
            ),
        ),
    ]
