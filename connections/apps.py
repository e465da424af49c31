from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"

    def ready(self) -> None:
        from connections import health, navigation
        from connections.models import SyncLogEntry
        from connections.sources.stripe import fields
        from contacts import merging

        fields.register()
        health.register()
        navigation.register()
        merging.register("sync log", merging.rows_of(SyncLogEntry))
