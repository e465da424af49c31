from django.urls import path

from segments.views import building

app_name = "segments"

urlpatterns = [
    path("builder/", building.builder, name="builder"),
]
