from django.urls import path

from contacts.views import browse, edit, fields, groups, lists, merge, record, tags

app_name = "contacts"

urlpatterns = [
    path("contacts/", browse.contacts, name="list"),
    path("contacts/export/", browse.export_contacts, name="export"),
    path("contacts/new/", edit.create, name="create"),
    path("contacts/<int:pk>/", record.detail, name="detail"),
    path("contacts/<int:pk>/activity/", record.activity, name="activity"),
    path("contacts/<int:pk>/edit/", edit.edit, name="edit"),
    path("contacts/<int:pk>/tags/add/", groups.add_tag, name="add-tag"),
    path("contacts/<int:pk>/tags/<int:tag>/remove/", groups.remove_tag, name="remove-tag"),
    path("contacts/<int:pk>/lists/join/", groups.join_list, name="join-list"),
    path("contacts/<int:pk>/lists/<int:contact_list>/leave/", groups.leave_list, name="leave-list"),
    path("contacts/<int:pk>/merge/", merge.choose, name="merge"),
    path("contacts/<int:pk>/merge/<int:other>/", merge.compare, name="merge-with"),
    path("contacts/merges/<int:pk>/undo/", merge.undo, name="merge-undo"),
    path("settings/fields/", fields.fields, name="fields"),
    path("settings/fields/new/", fields.create, name="field-create"),
    path("settings/fields/<int:pk>/", fields.edit, name="field-edit"),
    path("settings/fields/<int:pk>/delete/", fields.delete, name="field-delete"),
    path("settings/fields/<int:pk>/up/", fields.move, {"up": True}, name="field-up"),
    path("settings/fields/<int:pk>/down/", fields.move, {"up": False}, name="field-down"),
    path("settings/tags/", tags.tags, name="tags"),
    path("settings/tags/<int:pk>/", tags.rename, name="tag-rename"),
    path("settings/tags/<int:pk>/delete/", tags.delete, name="tag-delete"),
    path("settings/lists/", lists.lists, name="lists"),
    path("settings/lists/new/", lists.create, name="list-create"),
    path("settings/lists/<int:pk>/", lists.edit, name="list-edit"),
    path("settings/lists/<int:pk>/delete/", lists.delete, name="list-delete"),
]
