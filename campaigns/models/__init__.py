"""Campaigns, each mail made from them, and who wants none."""

from campaigns.models.campaign import Campaign
from campaigns.models.delivery import DeliverySettings, SentCopy
from campaigns.models.mail import Mail, MailEvent
from campaigns.models.sending import Sending
from campaigns.models.suppression import Suppression
from campaigns.models.tally import Tally

__all__ = ["Campaign", "DeliverySettings", "Mail", "MailEvent", "Sending", "SentCopy", "Suppression", "Tally"]
