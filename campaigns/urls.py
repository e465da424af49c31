from django.urls import path

from campaigns.views import public

app_name = "campaigns"

urlpatterns = [
    path("mail/o/<str:token>/", public.opened, name="opened"),
    path("mail/c/<str:token>/", public.clicked, name="clicked"),
    path("mail/unsubscribe/<str:token>/", public.unsubscribe, name="unsubscribe"),
]
