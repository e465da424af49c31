from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"

    def ready(self) -> None:
        from connections import health, navigation
        from connections.sources.stripe import fields

        fields.register()
        health.register()
        navigation.register()
