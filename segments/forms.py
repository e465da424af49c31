from __future__ import annotations

from django import forms

from common.meanwhile import MeanwhileForm
from segments.models import Segment


class SegmentForm(MeanwhileForm):
    class Meta:
        model = Segment
        fields = ("name",)
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"})}
        error_messages = {"name": {"unique": "There is a segment of this name already."}}
