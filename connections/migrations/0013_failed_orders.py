from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0012_deferred_purchases"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="failedderivation", name="failed_derivation_once"),
        migrations.RenameField(model_name="failedderivation", old_name="subscription", new_name="object_key"),
        migrations.AlterField(
            model_name="failedderivation",
            name="object_key",
            field=models.CharField(help_text="of the subscription, or of what a purchase is noted by", max_length=300),
        ),
        migrations.AddConstraint(
            model_name="failedderivation",
            constraint=models.UniqueConstraint(
                models.F("connection"), models.F("object_key"), name="failed_derivation_once"
            ),
        ),
    ]
