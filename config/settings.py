"""All settings. Every value that differs between installations comes from the environment."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.databases import database_settings
from config.logs import logging_settings
from config.mail import mail_settings

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- What this installation is ---------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
DEMO = env.bool("DEMO", False)
WORKSPACE_NAME = env.str("WORKSPACE_NAME", "Millrace")
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
_site = urlsplit(SITE_URL)
if _site.scheme not in ("http", "https") or not _site.hostname:
    raise ImproperlyConfigured("SITE_URL must be a full address such as https://crm.example.com")
HTTPS = _site.scheme == "https"
ALLOWED_HOSTS = [_site.hostname, "127.0.0.1", "localhost", "[::1]", *env.list("ALLOWED_HOSTS", default=[])]

# "web" keeps a pool of database connections and short limits, "worker" long ones; commands such as migrate have none.
PROCESS = env.str("PROCESS", "")

# --- Secrets ---------------------------------------------------------------------------------------------------------


def _secret(name: str, development: str) -> str:
    """The secret from the environment; outside DEBUG a missing one stops the start instead of weakening it."""
    value = env.str(name, "")
    if value or DEBUG:
        return value or development
    raise ImproperlyConfigured(f"{name} is missing. bin/start makes one; elsewhere set it in the environment.")


SECRET_KEY = _secret("SECRET_KEY", "development-only-and-never-used-outside-debug")
# Comma list: the first encrypts, all decrypt. Apart from SECRET_KEY: rotating sessions leaves Stripe keys alone.
FIELD_KEYS = [key for key in _secret("FIELD_KEYS", "ZGV2ZWxvcG1lbnQtb25seS1maWVsZC1rZXktMDEyMzQ=").split(",") if key]

# --- Stripe ----------------------------------------------------------------------------------------------------------

STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com").rstrip("/")
# Requests a second for one connection in all; 0 lifts the limit, None takes the rates of the account's mode.
STRIPE_RATE_LIMIT: float | None = env.float("STRIPE_RATE_LIMIT") if env.str("STRIPE_RATE_LIMIT", "") else None
# Seconds between two polls of one connection; None adapts between 15 and 300.
STRIPE_POLL_SECONDS: float | None = env.float("STRIPE_POLL_SECONDS") if env.str("STRIPE_POLL_SECONDS", "") else None

# --- Destinations ----------------------------------------------------------------------------------------------------

# Where Customer.io answers, instead of its own two hosts; {region} stands for us or eu. For a sandbox.
CUSTOMERIO_API_BASE = env.str("CUSTOMERIO_API_BASE", "").rstrip("/")

# --- Apps ------------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "automations",
    "campaigns",
    "segments",
    "connections",
    "orders",
    "recurring_payments",
    "contacts",
    "users",
    "common",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "anymail",
    "csp",
    "django_filters",
    "django_htmx",
    "django_structlog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "common.htmx.FragmentMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    # Deny by default: every page asks for sign-in unless its view is marked login_not_required.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "common.forms.FormRenderer"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "common.navigation.navigation",
                "common.settings_menu.settings_menu",
            ],
        },
    },
]

# --- Database and cache ----------------------------------------------------------------------------------------------

DATABASES = {"default": database_settings(env, PROCESS)}

# In PostgreSQL, not in the broker: losing the broker must not sign anyone out nor open a rate limit.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")

# --- People ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
# The address is unique without regard to case, by a constraint that this check does not see.
# Whether all subdomains are served by HTTPS, and for ever, is for their owner to say, not for us.
SILENCED_SYSTEM_CHECKS = ["auth.W004", "security.W005", "security.W021"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"

ACCOUNT_ADAPTER = "users.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "change_password": "users.password_forms.ChangePasswordForm",
    "reset_password_from_key": "users.password_forms.ResetPasswordKeyForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_REDIRECT_URL = LOGOUT_REDIRECT_URL
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_USER_DISPLAY = "users.adapter.display_name"
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = False
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers keep cookies per host, not per port: the demo beside a real start must not sign the other one out.
_cookie = ("__Host-" if HTTPS else "") + ("demo-" if DEMO else "")
SESSION_COOKIE_NAME = f"{_cookie}sessionid"
CSRF_COOKIE_NAME = f"{_cookie}csrftoken"
CSRF_COOKIE_HTTPONLY = False
CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"

# --- Browser ---------------------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
if ALLAUTH_TRUSTED_PROXY_COUNT:
    # Only behind a proxy that is known to overwrite the header.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# --- Files -----------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.str("STATIC_ROOT", "") or None
# Hashed and compressed once collectstatic has a folder to fill; straight from static/ where the start should be quick.
_static = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if STATIC_ROOT
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static},
}
WHITENOISE_USE_FINDERS = not STATIC_ROOT
WHITENOISE_AUTOREFRESH = DEBUG

# --- Mail: the product works without it ------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", "")
_mail: dict[str, Any] = mail_settings(EMAIL_URL, os.environ)
ANYMAIL = _mail["ANYMAIL"]
# Providers tell of bounces, complaints and replies with it; without it their address answers 404.
MAIL_WEBHOOK_SECRET = env.str("MAIL_WEBHOOK_SECRET", "")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", f"millrace@{_site.hostname}")

# --- Language, time, log ---------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
# Only where tasks run: elsewhere it would import Celery for nothing, 0.4 s at each start.
DJANGO_STRUCTLOG_CELERY_ENABLED = PROCESS == "worker"
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_settings(pretty=env.str("LOG_FORMAT", "json") == "pretty", level=env.str("LOG_LEVEL", "INFO"))
