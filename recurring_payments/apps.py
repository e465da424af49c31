from django.apps import AppConfig


class RecurringPaymentsConfig(AppConfig):
    name = "recurring_payments"

    def ready(self) -> None:
        from recurring_payments import fields

        fields.register()
