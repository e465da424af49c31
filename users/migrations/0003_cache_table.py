"""The table of Django's database cache (sign-in limits live there), so that `migrate` alone makes a whole database."""

from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


def drop(apps, schema_editor):
    schema_editor.execute("DROP TABLE IF EXISTS cache")


class Migration(migrations.Migration):
    dependencies = [("users", "0002_append_only_audit")]
    operations = [migrations.RunPython(create, drop)]
