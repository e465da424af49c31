from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        from common import navigation, settings_menu

        navigation.register(navigation.FOOT, "Settings", "users:settings", "settings", order=90)
        settings_menu.register("Profile", "users:profile", order=10)
        settings_menu.register("Manage data", "users:manage-data", order=25, role="marketer")
        settings_menu.register("Users", "users:people", order=80, role="admin")
        settings_menu.register("Audit log", "users:audit_log", order=90, role="admin")
