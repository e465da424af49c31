"""The door of the web server. Deliveries of webhooks do not go through Django's middleware, everything else does."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_wsgi_application()

from common import garbage  # noqa: E402  after Django is set up
from connections.endpoints import door  # noqa: E402

application = door(_django, "/hooks/stripe/")
garbage.look_rarely()
