from django.urls import path

from automations.destinations.views import deliveries, destinations, failure_mails

app_name = "destinations"

urlpatterns = [
    path("", destinations.destinations, name="list"),
    path("webhook/", destinations.add_webhook, name="add-webhook"),
    path("customerio/", destinations.add_customerio, name="add-customerio"),
    path("failure-mails/", failure_mails.everywhere, name="failure-mails"),
    path("failure-mails/<int:pk>/", failure_mails.of_automation, name="failure-mails-of"),
    path("<int:pk>/", destinations.detail, name="detail"),
    path("<int:pk>/edit/", destinations.edit, name="edit"),
    path("<int:pk>/credentials/", destinations.credentials, name="credentials"),
    path("<int:pk>/secret/", destinations.rotate, name="rotate"),
    path("<int:pk>/test/", destinations.test, name="test"),
    path("<int:pk>/disable/", destinations.disable, name="disable"),
    path("<int:pk>/enable/", destinations.enable, name="enable"),
    path("<int:pk>/delete/", destinations.delete, name="delete"),
    path("deliveries/<int:pk>/", deliveries.delivery, name="delivery"),
    path("deliveries/<int:pk>/dismiss/", deliveries.dismiss, name="dismiss"),
    path("deliveries/<int:pk>/resend/", deliveries.resend, name="resend"),
]
