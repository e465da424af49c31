"""Stripe. The only place of the project that knows the library and its objects."""

API_VERSION = "2026-10-28.endive"
SOURCE = "stripe"
