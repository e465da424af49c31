"""Words and looks of automations and their runs on pages."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from automations import starting
from automations.models import Automation, Run
from common.templatetags.ui import badge

register = template.Library()
_STATES = {"draft": "neutral", "active": "ok", "paused": "warn", "archived": "neutral"}
_STANDINGS = {
    "completed": "ok",
    "failed": "bad",
    "retrying": "warn",
    "paused": "warn",
    "waiting": "info",
    "running": "info",
    "ended": "neutral",
}


@register.simple_tag
def state_badge(automation: Automation) -> SafeString:
    return badge(_STATES[automation.state], automation.get_state_display())


@register.filter
def can_be_started(automation: Automation) -> bool:
    """Whether a person may put contacts into it now."""
    return starting.can_be_started(automation)


@register.simple_tag
def run_badge(run: Run) -> SafeString:
    return badge(_STANDINGS[run.standing], run.standing.capitalize())
