from django.apps import AppConfig


class AutomationsConfig(AppConfig):
    name = "automations"

    def ready(self) -> None:
        from automations import actions, health, idle, navigation, panels, renaming, runs, sent_campaigns, triggers
        from automations.destinations import registering
        from contacts import merging, tagging
        from orders import merging as order_merging

        triggers.register()
        actions.register()
        health.register()
        idle.register()
        navigation.register()
        panels.register()
        sent_campaigns.register()
        merging.register("automation runs", runs.follow_merge)
        order_merging.register("automation runs", runs.follow_order)
        tagging.keep_names(renaming.tag_renamed)
        registering.register()
