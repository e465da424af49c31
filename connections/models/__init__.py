"""Accounts we are connected to, what is synced from them, and every step of that."""

from connections.models.bulk_replay import BulkReplay
from connections.models.connection import (
    Connection,
    ConnectionStatus,
    FieldMapping,
    RateBucket,
    Resource,
    SetupDraft,
)
from connections.models.inbound_event import InboundEvent
from connections.models.rederivation import FailedDerivation, Rederivation, Underived
from connections.models.remote_object import RemoteObject
from connections.models.sync import LogCount, Sighting, SyncLogEntry, SyncRun, SyncWindow

__all__ = [
    "BulkReplay",
    "Connection",
    "ConnectionStatus",
    "FailedDerivation",
    "FieldMapping",
    "InboundEvent",
    "LogCount",
    "RateBucket",
    "Rederivation",
    "RemoteObject",
    "Resource",
    "SetupDraft",
    "Sighting",
    "SyncLogEntry",
    "SyncRun",
    "SyncWindow",
    "Underived",
]
