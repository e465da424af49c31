"""How every form looks: label, control, help or error. `{{ field.as_field_group }}` or `{{ form }}` is enough."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Takes the templates from `templates/django/forms/`; `django.forms` in INSTALLED_APPS supplies the rest."""

    form_template_name = "django/forms/form.html"
    field_template_name = "django/forms/field.html"
