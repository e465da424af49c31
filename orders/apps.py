from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from contacts import merging
        from orders import activities, fields, navigation, panels
        from orders.models import Order

        activities.register()
        fields.register()
        navigation.register()
        panels.register()
        merging.register("orders", merging.rows_of(Order))
