"""Addresses of the wizard, under /apps/stripe/."""

from django.urls import path

from connections.views import wizard, wizard_mapping

urlpatterns = [
    path("connect/", wizard.connect, name="connect"),
    path("<int:pk>/add/", wizard.add_resource, name="add-resource"),
    path("setup/<int:pk>/resource/", wizard.resource, name="wizard-resource"),
    path("setup/<int:pk>/map/", wizard_mapping.map_fields, name="wizard-map"),
    path("setup/<int:pk>/finish/", wizard_mapping.finish, name="wizard-finish"),
    path("setup/<int:pk>/discard/", wizard.discard, name="wizard-discard"),
    path("resources/<int:pk>/mapping/", wizard_mapping.edit_mapping, name="edit-mapping"),
]
