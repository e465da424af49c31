"""People and signed-in browsers for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, settings
from pytest_django.plugin import DjangoDbBlocker

from tests.live import browser_type_launch_args, celery_worker, live_app, open_page  # noqa: F401  (fixtures)
from tests.waiting import eventually
from users.models import Role, User

# How long an example takes says nothing on a busy machine; the same examples each time, so that what is red stays red.
settings.register_profile("millrace", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")

PASSWORD = "correct horse battery staple"
# Argon2 is slow on purpose; the same hash serves every test.
_hashes: dict[str, str] = {}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Killed workers and browsers leave sessions behind; the database can only be dropped without them."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def one_day() -> None:
    """The test sees no midnight."""
    day = timezone.localdate()
    if timezone.localdate(timezone.now() + timedelta(minutes=1)) != day:
        eventually(lambda: timezone.localdate() != day, timeout=90)


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """make_user(role, email=…): a user whose password is `PASSWORD`."""

    def make(role: str = Role.STAFF, email: str = "", **values: object) -> User:
        user = User.objects.create_user(email or f"{role}@example.com", role=role, **values)
        if PASSWORD not in _hashes:
            user.set_password(PASSWORD)
            _hashes[PASSWORD] = user.password
        user.password = _hashes[PASSWORD]
        user.save()
        return user

    return make


@pytest.fixture
def admin(make_user: Callable[..., User]) -> User:
    return make_user(Role.ADMIN, name="Ada Admin")


@pytest.fixture
def marketer(make_user: Callable[..., User]) -> User:
    return make_user(Role.MARKETER, name="Mia Marketer")


@pytest.fixture
def staff(make_user: Callable[..., User]) -> User:
    return make_user(Role.STAFF, name="Sam Staff")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin_client(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def marketer_client(marketer: User) -> Client:
    return signed_in(marketer)


@pytest.fixture
def staff_client(staff: User) -> Client:
    return signed_in(staff)
