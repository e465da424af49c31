from django.urls import path

from recurring_payments.views import browse, order, record

app_name = "recurring_payments"

urlpatterns = [
    path("recurring-payments/", browse.recurring_payments, name="list"),
    path("recurring-payments/export/", browse.export_recurring_payments, name="export"),
    path("recurring-payments/<int:pk>/", record.detail, name="detail"),
    path("settings/manage-data/", order.manage_data, name="manage-data"),
    path("settings/manage-data/recurring-payments/", order.fields, name="fields"),
    path("settings/manage-data/recurring-payments/order/", order.change, name="order"),
]
