import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the list is sorted and searched by."""

    dependencies = [("recurring_payments", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="recurringpayment",
            index=models.Index(
                models.OrderBy(models.F("next_payment_date"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                name="recurring_payment_latest",
            ),
        ),
        migrations.AddIndex(
            model_name="recurringpayment",
            index=models.Index(fields=["name", "id"], name="recurring_payment_name"),
        ),
        migrations.AddIndex(
            model_name="recurringpayment",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="recurring_payment_name_words",
            ),
        ),
        migrations.AddIndex(
            model_name="recurringpayment",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["line_item_names"], name="recurring_payment_products"
            ),
        ),
    ]
