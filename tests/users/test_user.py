"""Users and what their roles allow."""

import pytest
from django.db import IntegrityError

from users.models import Role, User


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.STAFF, ["staff"]), (Role.MARKETER, ["staff", "marketer"]), (Role.ADMIN, ["staff", "marketer", "admin"])],
)
def test_a_role_may_do_what_the_lesser_ones_may(role: Role, allowed: list[str]) -> None:
    user = User(role=role)
    assert [one for one in Role.values if user.at_least(one)] == allowed


def test_somebody_deactivated_may_do_nothing() -> None:
    assert not User(role=Role.ADMIN, is_active=False).at_least(Role.STAFF)


def test_one_address_is_one_user_whatever_its_case(staff: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create(email=staff.email.upper())


def test_somebody_without_a_name_goes_by_the_address() -> None:
    user = User(email="lee@example.com")
    assert (str(user), user.initials) == ("lee@example.com", "L")
