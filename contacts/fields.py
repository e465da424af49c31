"""The fields a contact has: the standard ones and those the users made. Also what fits into them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.timezone import get_default_timezone

from common import fields as catalogue
from common.along import read
from common.fields import Field, FieldType
from common.text import storable
from contacts.email import clean_email
from contacts.models import Contact, CustomField

CATALOGUE = "contact"
NAME = "name"
LONGEST_TEXT = 5000
_STANDARD = (
    Field("email", "Email address", FieldType.EMAIL, "Contact"),
    Field("first_name", "First name", FieldType.TEXT, "Contact"),
    Field("last_name", "Last name", FieldType.TEXT, "Contact"),
    Field("phone", "Phone", FieldType.TEXT, "Contact"),
)
# A name goes to two fields; as a target it stands for both.
NAME_TARGET = Field(NAME, "First and last name", FieldType.TEXT, "Contact", help="Split when it is synced")


def register() -> None:
    catalogue.register(CATALOGUE, contact_fields)


def contact_fields() -> Iterable[Field]:
    """Every field, standard ones first."""
    return _with_standard(CustomField.objects.all())


def fields_of(contact: Contact) -> list[Field]:
    """Every field, read once for a contact object however many cards of its page ask.

    Custom ones that came along with the contact (`fields_told`) are not asked for again.
    """
    about = contact.__dict__
    if "_fields" not in about:
        told = about.get("fields_told")
        about["_fields"] = list(contact_fields() if told is None else _with_standard(read(CustomField, told)))
    held: list[Field] = about["_fields"]
    return held


def _with_standard(made: Iterable[CustomField]) -> Iterable[Field]:
    yield from _STANDARD
    for custom in made:
        yield Field(custom.target, custom.label, FieldType(custom.type), "Custom fields", choices=tuple(custom.choices))


def targets() -> dict[str, Field]:
    """What a mapping may write, by key: the fields, and `name` for first and last name together."""
    found = catalogue.catalogue(CATALOGUE)
    return {"email": found["email"], NAME: NAME_TARGET} | found


def coerce(value: Any, field: Field) -> Any:
    """The value as the field stores it in JSON: text, number, "2026-11-21", "2026-11-21T10:00:00Z", true.

    Several values are joined by comma where text is wanted. ValueError, in words, if it does not fit.
    """
    if field.type in (FieldType.TEXT, FieldType.LIST):
        return _text(value)
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else _text(value)
    match field.type:
        case FieldType.EMAIL:
            return clean_email(_text(value))
        case FieldType.NUMBER | FieldType.MONEY:
            return _number(value)
        case FieldType.BOOLEAN:
            return _yes_or_no(value)
        case FieldType.DATE:
            return _day(value).isoformat()
        case FieldType.DATETIME:
            return _in_utc(_moment(value))
        case FieldType.CHOICE:
            text = _text(value)
            if text not in field.choices:
                raise ValueError(f"“{text[:80]}” is not one of the choices of {field.label}.")
            return text
    raise ValueError(f"{field.label} cannot be written.")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)[:LONGEST_TEXT]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return _in_utc(value)
    return storable(str(value))[:LONGEST_TEXT]


def _number(value: Any) -> int | float:
    if isinstance(value, bool | datetime):
        raise ValueError("This is not a number.")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError(f"“{str(value)[:80]}” is not a number.") from error
    if not number.is_finite() or abs(number) >= 2**63:
        raise ValueError(f"“{str(value)[:80]}” is not a number that can be stored.")
    return int(number) if number == number.to_integral_value() else float(number)


def _yes_or_no(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"“{str(value)[:80]}” is neither yes nor no.") from None


def _in_utc(moment: datetime) -> str:
    """ "2026-11-21T10:00:00Z". A year has four digits, or it could not be read again."""
    return _in_zone(moment, UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError as error:
        # "9999-12-31T23:59:59-05:00", which never ends, is in the year 10000 here.
        raise ValueError(f"“{moment.isoformat()}” is not a date.") from error


def _day(value: Any) -> date:
    """The day as it was written; of a moment the one that pages show, from which days before and after are counted."""
    moment = _moment(value)
    if isinstance(value, datetime | int | float):
        return _in_zone(moment, get_default_timezone()).date()
    return moment.date()


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise ValueError(f"“{value}” is not a date.") from error
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise ValueError(f"“{str(value)[:80]}” is not a date.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
