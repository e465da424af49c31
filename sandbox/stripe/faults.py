"""Faults to order: the next N answers of some paths fail, are slow, cut, not JSON, or lost after the work was done."""

import itertools
from dataclasses import asdict, dataclass

from .forms import Json

ERRORS = {
    401: {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_live_***gone"},
    403: {"type": "invalid_request_error", "message": "The provided key does not have the required permissions."},
    429: {
        "type": "invalid_request_error",
        "code": "rate_limit",
        "message": "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
    },
    500: {"type": "api_error", "message": "An unknown error occurred"},
    503: {"type": "api_error", "message": "Stripe is temporarily unavailable"},
}


@dataclass
class Fault:
    """One ordered fault.

    path: prefix of the request path; method: GET, POST, DELETE or empty for all; account: id, or empty for all
    count: how many answers it spoils (0: until cleared); skip: how many fitting requests pass before
    status: HTTP status of the error (0: answer as usual); message, code: in place of the usual ones
    retry_after, should_retry, reason: headers Retry-After, Stripe-Should-Retry, Stripe-Rate-Limited-Reason
    latency: milliseconds before the answer; cut: the body ends halfway; html: a page in place of JSON
    hang: the connection is closed without any answer, after `latency`
    lose_answer: the work is done, then the connection is closed; late: the work is done, then `status` is answered
    """

    path: str = "/v1/"
    method: str = ""
    account: str = ""
    count: int = 1
    skip: int = 0
    status: int = 0
    message: str = ""
    code: str = ""
    retry_after: str = ""
    should_retry: str = ""
    reason: str = ""
    latency: float = 0
    cut: bool = False
    html: bool = False
    hang: bool = False
    lose_answer: bool = False
    late: bool = False
    id: int = 0
    used: int = 0

    def fits(self, method: str, path: str, account: str) -> bool:
        return (
            path.startswith(self.path)
            and self.method in ("", method)
            and self.account in ("", account)
            and (self.count == 0 or self.used < self.count)
        )

    def error(self) -> tuple[int, Json, dict[str, str]]:
        """Status, body and headers of the error this fault answers with."""
        known = ERRORS.get(self.status, {"type": "api_error", "message": "An error occurred"})
        body = {
            **known,
            **({"message": self.message} if self.message else {}),
            **({"code": self.code} if self.code else {}),
        }
        reason = self.reason or ("endpoint-rate" if self.status == 429 and self.code != "lock_timeout" else "")
        named = {
            "Retry-After": self.retry_after,
            "Stripe-Should-Retry": self.should_retry,
            "Stripe-Rate-Limited-Reason": reason,
        }
        return self.status, {"error": body}, {name: value for name, value in named.items() if value}


class Faults:
    """The faults ordered and not yet used up, oldest first. The first that fits a request spoils its answer."""

    def __init__(self) -> None:
        self.ordered: list[Fault] = []
        self.numbers = itertools.count(1)

    def order(self, **fields: object) -> Fault:
        """Order a fault; TypeError names an unknown field."""
        fault = Fault(**fields)  # type: ignore[arg-type]
        fault.id = next(self.numbers)
        self.ordered.append(fault)
        return fault

    def clear(self) -> None:
        self.ordered.clear()

    def take(self, method: str, path: str, account: str) -> Fault | None:
        for fault in self.ordered:
            if not fault.fits(method, path, account):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.used += 1
            if fault.count and fault.used >= fault.count:
                self.ordered.remove(fault)
            return fault
        return None

    def listing(self) -> list[Json]:
        return [asdict(fault) for fault in self.ordered]
