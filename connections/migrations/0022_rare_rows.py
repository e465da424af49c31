from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_DROP = "drop index concurrently if exists {}"
_INDEXES = {
    "inboundevent": [
        models.Index(condition=models.Q(("state", "held")), fields=["next_attempt_at", "id"], name="inbound_held"),
    ],
    "synclogentry": [
        models.Index(condition=models.Q(("via", "poll")), fields=["connection", "-id"], name="log_polled"),
        models.Index(condition=models.Q(("via", "replay")), fields=["-id"], name="log_replayed"),
    ],
}


def _built():
    operations = []
    for model, indexes in _INDEXES.items():
        for index in indexes:
            # What an earlier try that was cut short leaves behind: an index that is not valid.
            operations.append(migrations.RunSQL(_DROP.format(index.name), migrations.RunSQL.noop))
            operations.append(AddIndexConcurrently(model_name=model, index=index))
    return operations


class Migration(migrations.Migration):
    """Pages ask for rows that are few in large tables: held events, and what polls and replays wrote into the log."""

    atomic = False
    dependencies = [("connections", "0021_events_switched_on")]
    operations = _built()
