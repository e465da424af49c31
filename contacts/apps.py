from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "contacts"

    def ready(self) -> None:
        from contacts import cards, fields, navigation

        fields.register()
        navigation.register()
        cards.register()
