from common import navigation
from connections.health import attention


def register() -> None:
    navigation.register("Connect", "Apps", "connections:apps", "plug", attention=attention, order=20, role="marketer")
