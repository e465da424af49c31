"""Anymail's addresses, below /hooks/mail/. Not part of the product's own: `views.hooks` asks for the secret first."""

from django.urls import include, path

urlpatterns = [path("", include("anymail.urls"))]
