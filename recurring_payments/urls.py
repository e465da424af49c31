from django.urls import path

from recurring_payments.views import browse, record

app_name = "recurring_payments"

urlpatterns = [
    path("recurring-payments/", browse.recurring_payments, name="list"),
    path("recurring-payments/export/", browse.export_recurring_payments, name="export"),
    path("recurring-payments/<int:pk>/", record.detail, name="detail"),
]
