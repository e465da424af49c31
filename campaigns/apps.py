from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import health
        from campaigns.models import Mail
        from contacts import merging

        health.register()
        merging.register("mails", merging.rows_of(Mail))
