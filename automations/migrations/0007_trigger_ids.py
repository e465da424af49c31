from typing import Any

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def _with_ids(triggers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By place, so that a draft and the version made of it stay equal."""
    return [{"id": f"t{number}", **one} for number, one in enumerate(triggers, 1)]


def add_ids(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    for name in ("Automation", "AutomationVersion"):
        model = apps.get_model("automations", name)
        for flow in model.objects.exclude(triggers=[]).iterator():
            model.objects.filter(pk=flow.pk).update(triggers=_with_ids(flow.triggers))


HELP = '[{"id", "key", "parameters", "conditions": segment or null, "once": bool}]: any of them starts it'


class Migration(migrations.Migration):
    dependencies = [("automations", "0006_awaited")]

    operations = [
        migrations.AlterField(
            model_name=name,
            name="triggers",
            field=models.JSONField(blank=True, default=list, help_text=HELP),
        )
        for name in ("automation", "automationversion")
    ] + [migrations.RunPython(add_ids, migrations.RunPython.noop)]
