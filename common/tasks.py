"""The ring of each second: it passes on where something is due."""

from typing import Any

from celery import current_app, shared_task

from common import looking

# Rings that nobody took are no use later: the next second rings again.
EXPIRES = 5.0


@shared_task(bind=True)
def look(self: Any) -> None:
    """Ring the tasks of the queue this came by."""
    queue = self.request.delivery_info["routing_key"]
    for name in looking.due_tasks(queue):
        current_app.send_task(name, queue=queue, expires=EXPIRES, retry=False)
