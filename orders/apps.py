from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from contacts import merging
        from orders import fields, navigation, panels
        from orders.models import Order

        fields.register()
        navigation.register()
        panels.register()
        merging.register("orders", merging.rows_of(Order))
