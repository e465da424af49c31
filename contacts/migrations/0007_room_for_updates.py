from django.db import migrations


class Migration(migrations.Migration):
    """A new fact about a contact changes no indexed column: with room on its page none of eleven indexes is written."""

    dependencies = [("contacts", "0006_refunds_that_failed")]
    operations = [
        migrations.RunSQL(
            "alter table contacts_contact set (fillfactor = 70)", "alter table contacts_contact reset (fillfactor)"
        )
    ]
