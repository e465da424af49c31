from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "segments"

    def ready(self) -> None:
        from contacts import tagging
        from segments import navigation, renaming, searching

        navigation.register()
        searching.register()
        tagging.keep_names(renaming.tag_renamed)
