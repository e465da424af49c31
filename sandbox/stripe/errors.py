"""Stripe's errors, word for word where the words are known (from recordings and its command-line tool)."""

from typing import Any

from .forms import Json


class StripeError(Exception):
    """An answer other than 200: HTTP status, the `error` object and extra headers."""

    def __init__(self, status: int, message: str, headers: Json | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.error = {"message": message, "type": "invalid_request_error", **fields}

    def body(self) -> Json:
        return {"error": self.error}


def masked(key: str) -> str:
    """`sk_test_***abcd`: Stripe shows the prefix and the last four characters only."""
    prefix, _, tail = key.rpartition("_")
    return f"{prefix}_{'*' * max(len(tail) - 4, 3)}{tail[-4:]}" if prefix else f"{key[:4]}***{key[-4:]}"


def no_key() -> StripeError:
    return StripeError(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, using "
        "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    )


def wrong_key(key: str) -> StripeError:
    return StripeError(401, f"Invalid API Key provided: {masked(key)}")


def expired_key(key: str) -> StripeError:
    return StripeError(401, f"Expired API Key provided: {masked(key)}", code="api_key_expired")


def publishable_key() -> StripeError:
    return StripeError(
        403,
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list "
        "of your API keys at https://dashboard.stripe.com/account/apikeys.",
        code="secret_key_required",
    )


def missing_permission(key: str, account: str, permission: str) -> StripeError:
    return StripeError(
        403,
        f"The provided key '{masked(key)}' does not have the required permissions for this endpoint on account "
        f"'{account}'. Having the '{permission}' permission would allow this request to continue.",
    )


def missing(noun: str, object_id: str, param: str = "id", hint: str = "") -> StripeError:
    return StripeError(404, f"No such {noun}: '{object_id}'{hint}", code="resource_missing", param=param)


def other_mode_hint(livemode: bool) -> str:
    there, used = ("test", "live") if livemode else ("live", "test")
    return f"; a similar object exists in {there} mode, but a {used} mode key was used to make this request."


def unknown_url(method: str, path: str) -> StripeError:
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).")


def unknown_parameter(name: str) -> StripeError:
    return StripeError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def bad_parameter(message: str, param: str, code: str | None = None) -> StripeError:
    fields: Json = {"param": param, "code": code} if code else {"param": param}
    return StripeError(400, message, None, **fields)


def required_parameter(name: str) -> StripeError:
    return StripeError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def reused_idempotency_key(key: str) -> StripeError:
    return StripeError(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        type="idempotency_error",
    )
