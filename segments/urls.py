from django.urls import path

from segments.views import browse, building, edit, search

app_name = "segments"

urlpatterns = [
    path("", browse.segments, name="list"),
    path("builder/", building.builder, name="builder"),
    path("estimate/", building.estimate, name="estimate"),
    path("search/", search.search, name="search"),
    path("new/", edit.create, name="create"),
    path("<int:pk>/", browse.detail, name="detail"),
    path("<int:pk>/count/", browse.count, name="count"),
    path("<int:pk>/edit/", edit.edit, name="edit"),
    path("<int:pk>/duplicate/", edit.duplicate, name="duplicate"),
    path("<int:pk>/delete/", edit.delete, name="delete"),
]
