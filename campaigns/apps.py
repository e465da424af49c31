from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import health, merged, navigation, panels, receiving, telling, uses, work
        from campaigns.models import Mail
        from contacts import merging
        from orders import merging as order_merging

        health.register()
        navigation.register()
        panels.register()
        receiving.listen()
        telling.register()
        uses.register()
        work.register()
        merging.register("mails", merged.follow_merge)
        order_merging.register("mails", order_merging.rows_of(Mail))
