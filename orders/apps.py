from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from contacts import merging
        from orders import navigation, panels
        from orders.models import Order

        navigation.register()
        panels.register()
        merging.register("orders", merging.rows_of(Order))
