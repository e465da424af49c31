from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0024_underived_by_owner"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectionstatus",
            name="unchecked_since",
            field=models.DateTimeField(
                blank=True,
                help_text="asked of the endpoint in vain since",
                null=True,
            ),
        ),
    ]
