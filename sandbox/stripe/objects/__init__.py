"""Builders of Stripe's objects in the shape of API version 2026-10-28.endive: complete dictionaries, ids included."""
