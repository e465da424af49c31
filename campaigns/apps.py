from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import health, navigation, panels, receiving, uses, work
        from campaigns.models import Mail
        from contacts import merging

        health.register()
        navigation.register()
        panels.register()
        receiving.listen()
        uses.register()
        work.register()
        merging.register("mails", merging.rows_of(Mail))
