from django.apps import AppConfig


class RecurringPaymentsConfig(AppConfig):
    name = "recurring_payments"

    def ready(self) -> None:
        from contacts import merging
        from recurring_payments import activities, fields, navigation, panels
        from recurring_payments.models import RecurringPayment

        activities.register()
        fields.register()
        navigation.register()
        panels.register()
        merging.register("recurring payments", merging.rows_of(RecurringPayment))
