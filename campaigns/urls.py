from django.urls import path

from campaigns.views import browse, edit, frames, hooks, mailbox, mails, public, sending, settings

app_name = "campaigns"

urlpatterns = [
    path("campaigns/", browse.campaigns, name="list"),
    path("campaigns/new/", edit.create, name="create"),
    path("campaigns/draft/", frames.draft, name="draft-frame"),
    path("campaigns/tags/", browse.tag_list, name="tags"),
    path("campaigns/<int:pk>/", browse.detail, name="detail"),
    path("campaigns/<int:pk>/progress/", browse.progress, name="progress"),
    path("campaigns/<int:pk>/edit/", edit.edit, name="edit"),
    path("campaigns/<int:pk>/duplicate/", edit.duplicate, name="duplicate"),
    path("campaigns/<int:pk>/archive/", edit.archive, {"archived": True}, name="archive"),
    path("campaigns/<int:pk>/restore/", edit.archive, {"archived": False}, name="restore"),
    path("campaigns/<int:pk>/frame/", frames.saved, name="frame"),
    path("campaigns/<int:pk>/test-mail/", sending.test_mail, name="test-mail"),
    path("campaigns/<int:pk>/recipients/", sending.recipients, name="recipients"),
    path("campaigns/<int:pk>/recipients/count/", sending.count, name="count"),
    path("campaigns/<int:pk>/send/", sending.send, name="send"),
    path("campaigns/<int:pk>/cancel/", sending.cancel, name="cancel"),
    path("campaigns/<int:pk>/retry/", sending.retry, name="retry"),
    path("campaigns/mails/<int:pk>/", mails.detail, name="mail"),
    path("campaigns/mails/<int:pk>/resend/", mails.resend, name="resend"),
    path("campaigns/copies/<int:pk>/", frames.copy, name="copy-frame"),
    path("contacts/<int:pk>/subscribe/", mails.subscribe, name="subscribe"),
    path("contacts/<int:pk>/unsubscribe/", mails.unsubscribe, name="unsubscribe-contact"),
    path("mailbox/", mailbox.mails, name="mailbox"),
    path("mailbox/<int:pk>/", mailbox.mail, name="mailbox-mail"),
    path("settings/email/", settings.edit, name="delivery"),
    # Without signing in
    path("mail/o/<str:token>/", public.opened, name="opened"),
    path("mail/c/<str:token>/", public.clicked, name="clicked"),
    path("mail/unsubscribe/<str:token>/", public.unsubscribe, name="unsubscribe"),
    path("hooks/mail/<str:provider>/<str:kind>/", hooks.receive, name="hooks-mail"),
]
