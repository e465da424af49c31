from automations.models.automation import Automation, AutomationVersion
from automations.models.notice import Notice
from automations.models.run import Run, RunStep
from automations.models.watch import DateWatch

__all__ = ["Automation", "AutomationVersion", "DateWatch", "Notice", "Run", "RunStep"]
