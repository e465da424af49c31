from django.urls import path

from orders.views import browse, record

app_name = "orders"

urlpatterns = [
    path("", browse.orders, name="list"),
    path("export/", browse.export_orders, name="export"),
    path("<int:pk>/", record.detail, name="detail"),
]
