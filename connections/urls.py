"""Addresses under /apps/: the apps, the Stripe app with its accounts and resources, the sync log."""

from django.urls import include, path

from connections import wizard_urls
from connections.views import account, app, apps, history, log, replay, resource, statuses, updates

app_name = "connections"
urlpatterns = [
    path("", apps.apps, name="apps"),
    path("connected/", apps.connected, name="connected"),
    path("stripe/", app.app, name="app"),
    path("stripe/recent/", app.recent, name="recent"),
    path("stripe/webhooks/", app.webhooks, name="webhooks"),
    path("stripe/accounts/<int:pk>/facts/", app.facts, name="facts"),
    path("stripe/accounts/<int:pk>/endpoints/", account.endpoints, name="endpoints"),
    path("stripe/accounts/<int:pk>/repair/", account.repair, name="repair"),
    path("stripe/accounts/<int:pk>/poll/", account.poll_now, name="poll-now"),
    path("stripe/accounts/<int:pk>/read-again/", account.read_again, name="read-again"),
    path("stripe/accounts/<int:pk>/check/", account.check_now, name="check-now"),
    path("stripe/accounts/<int:pk>/checks/", app.checks, name="checks"),
    path("stripe/accounts/<int:pk>/key/", account.replace_key, name="replace-key"),
    path("stripe/accounts/<int:pk>/disconnect/", account.disconnect, name="disconnect"),
    path("stripe/accounts/<int:pk>/statuses/", statuses.statuses, name="statuses"),
    path("stripe/resources/<int:pk>/", resource.resource, name="resource"),
    path("stripe/resources/<int:pk>/remove/", resource.remove, name="resource-remove"),
    path("stripe/resources/<int:pk>/history/", history.start, name="history-start"),
    path("stripe/history/<int:pk>/pause/", history.pause, name="history-pause"),
    path("stripe/history/<int:pk>/resume/", history.resume, name="history-resume"),
    path("stripe/history/<int:pk>/cancel/", history.cancel, name="history-cancel"),
    path("stripe/history/<int:pk>/progress/", history.progress, name="progress"),
    path("stripe/log/", log.log, name="log"),
    path("stripe/log/waiting/", log.waiting, name="waiting"),
    path("stripe/log/replay/", replay.replay_selection, name="replay-selection"),
    path("stripe/log/replays/<int:pk>/", replay.bulk, name="bulk-replay"),
    path("stripe/log/replays/<int:pk>/stop/", replay.stop, name="bulk-replay-stop"),
    path("stripe/log/<int:pk>/", log.entry, name="log-entry"),
    path("stripe/log/<int:pk>/replay/", replay.replay, name="replay"),
    path("stripe/log/<int:pk>/dismiss/", replay.dismiss, name="dismiss"),
    path("stripe/updates/", updates.updates, name="updates"),
    path("stripe/updates/retry/", updates.retry, name="updates-retry"),
    path("stripe/updates/dismiss/", updates.dismiss, name="update-dismiss"),
    path("stripe/", include(wizard_urls)),
]
