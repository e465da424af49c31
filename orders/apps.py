from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from orders import navigation, panels
        from orders.models import Order

        navigation.register()
        panels.register()
