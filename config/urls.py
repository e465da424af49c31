"""Every address. Who may open it stands beside the view; tests/test_access.py holds the whole table."""

from django.urls import include, path
from django.views.generic import RedirectView

from config import health
from connections import endpoints

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="contacts:list"), name="home"),
    path("", include("users.sign_in_urls")),
    path("apps/", include("connections.urls")),
    path("", include("contacts.urls")),
    path("", include("recurring_payments.urls")),
    path("orders/", include("orders.urls")),
    path("segments/", include("segments.urls")),
    path("", include("campaigns.urls")),
    path("automations/", include("automations.urls")),
    path("settings/destinations/", include("automations.destinations.urls")),
    path("settings/", include("users.urls")),
    path("health/", health.check, name="health"),
    path("hooks/stripe/<str:token>/", endpoints.receive, name="hooks-stripe"),
]
