"""Sign-in and the few pages around it, under addresses a person can read. The names are django-allauth's."""

from allauth.account import views
from django.urls import path, re_path

from users.views import invitation

urlpatterns = [
    path("sign-in/", views.login, name="account_login"),
    path("invitation/<str:token>/", invitation.accept, name="accept_invitation"),
    path("sign-out/", views.logout, name="account_logout"),
    path("sign-in/inactive/", views.account_inactive, name="account_inactive"),
    path("sign-in/again/", views.reauthenticate, name="account_reauthenticate"),
    path("password/", views.password_change, name="account_change_password"),
    path("password/forgotten/", views.password_reset, name="account_reset_password"),
    path("password/forgotten/sent/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("password/new/done/", views.password_reset_from_key_done, name="account_reset_password_from_key_done"),
]
