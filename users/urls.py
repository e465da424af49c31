from django.urls import path

from users.views import audit_log, manage_data, people, profile

app_name = "users"

urlpatterns = [
    path("", profile.index, name="settings"),
    path("profile/", profile.profile, name="profile"),
    path("users/", people.people, name="people"),
    path("users/invite/", people.invite, name="invite"),
    path("users/invitations/<int:pk>/revoke/", people.revoke, name="revoke_invitation"),
    path("users/<int:pk>/role/", people.change_role, name="change_role"),
    path("users/<int:pk>/password-link/", people.password_link, name="password_link"),
    path("users/<int:pk>/activate/", people.set_active, {"active": True}, name="activate"),
    path("users/<int:pk>/deactivate/", people.set_active, {"active": False}, name="deactivate"),
    path("manage-data/", manage_data.kinds, name="manage-data"),
    path("manage-data/<slug:kind>/", manage_data.fields, name="fields"),
    path("manage-data/<slug:kind>/order/", manage_data.order, name="field-order"),
    path("audit-log/", audit_log.audit_log, name="audit_log"),
]
