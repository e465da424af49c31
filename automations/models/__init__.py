from automations.destinations.models import Delivery, DeliveryAttempt, Destination, Host
from automations.models.automation import Automation, AutomationVersion
from automations.models.awaited import Awaited
from automations.models.failure import FailureRecipient, FailureReport, TriggerProblem
from automations.models.notice import Notice
from automations.models.run import Run, RunStep
from automations.models.watch import DateWatch

__all__ = [
    "Automation",
    "AutomationVersion",
    "Awaited",
    "DateWatch",
    "Delivery",
    "DeliveryAttempt",
    "Destination",
    "FailureRecipient",
    "FailureReport",
    "Host",
    "Notice",
    "Run",
    "RunStep",
    "TriggerProblem",
]
