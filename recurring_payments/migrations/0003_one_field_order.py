from django.db import migrations

KEEP = """
    INSERT INTO common_fieldorder (kind, keys, updated_at)
    SELECT 'recurring-payments', keys, updated_at FROM recurring_payments_fieldorder WHERE id = 1
"""
BACK = """
    INSERT INTO recurring_payments_fieldorder (id, keys, updated_at)
    SELECT 1, keys, updated_at FROM common_fieldorder WHERE kind = 'recurring-payments'
"""


class Migration(migrations.Migration):
    """The order of fields moves to the table that every kind of record shares; what somebody saved goes along."""

    dependencies = [("recurring_payments", "0002_list_indexes"), ("common", "0001_initial")]

    operations = [migrations.RunSQL(KEEP, BACK), migrations.DeleteModel("FieldOrder")]
