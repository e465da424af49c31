from django.urls import path

from automations.views import browse, detail, drafts, exits, recipes, runs, starting, steps, triggers, walk

app_name = "automations"

urlpatterns = [
    path("", browse.automations, name="list"),
    path("new/", detail.create, name="create"),
    path("recipes/", recipes.recipes, name="recipes"),
    path("recipes/<slug:key>/", recipes.use, name="recipe-use"),
    path("runs/", runs.all_runs, name="runs"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/retry/", runs.retry, name="run-retry"),
    path("runs/<int:pk>/end/", runs.end, name="run-end"),
    path("runs/<int:pk>/dismiss/", runs.dismiss, name="run-dismiss"),
    path("<int:pk>/", detail.detail, name="detail"),
    path("<int:pk>/settings/", detail.settings, name="settings"),
    path("<int:pk>/activate/", detail.activate, name="activate"),
    path("<int:pk>/pause/", detail.pause, name="pause"),
    path("<int:pk>/resume/", detail.resume, name="resume"),
    path("<int:pk>/duplicate/", detail.duplicate, name="duplicate"),
    path("<int:pk>/start/", starting.start, name="start"),
    path("start/<int:contact>/", starting.start_for_contact, name="start-contact"),
    path("<int:pk>/archive/", detail.archive, name="archive"),
    path("<int:pk>/restore/", detail.restore, name="restore"),
    path("<int:pk>/undo/", drafts.undo, name="undo"),
    path("<int:pk>/runs/", runs.of_automation, name="automation-runs"),
    path("<int:pk>/runs/retry/", runs.retry_failed, name="retry-failed"),
    path("<int:pk>/runs/dismiss/", runs.dismiss_failed, name="dismiss-failed"),
    path("<int:pk>/walk/", walk.walk, name="walk"),
    path("<int:pk>/exits/", exits.edit, name="exits"),
    path("<int:pk>/triggers/", triggers.choose, name="trigger-choose"),
    path("<int:pk>/triggers/new/<slug:key>/", triggers.add, name="trigger-add"),
    path("<int:pk>/triggers/<slug:place>/", triggers.edit, name="trigger"),
    path("<int:pk>/triggers/<slug:place>/remove/", triggers.remove, name="trigger-remove"),
    path("<int:pk>/steps/", steps.choose, name="step-choose"),
    path("<int:pk>/steps/new/<slug:key>/", steps.add, name="step-add"),
    path("<int:pk>/steps/<slug:step>/", steps.edit, name="step"),
    path("<int:pk>/steps/<slug:step>/shift/", steps.shift, name="step-shift"),
    path("<int:pk>/steps/<slug:step>/move/", steps.move, name="step-move"),
    path("<int:pk>/steps/<slug:step>/remove/", steps.remove, name="step-remove"),
]
