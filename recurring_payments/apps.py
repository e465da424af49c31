from django.apps import AppConfig


class RecurringPaymentsConfig(AppConfig):
    name = "recurring_payments"

    def ready(self) -> None:
        from recurring_payments import fields, navigation, panels

        fields.register()
        navigation.register()
        panels.register()
