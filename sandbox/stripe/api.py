"""The /v1 API: who asks, what for, and the answer as Stripe would give it."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import errors, reads, webhook_endpoints, writes
from .forms import Json, decode
from .ids import scramble
from .shapes import render

if TYPE_CHECKING:
    from .book import Book
    from .keys import Key
    from .world import Account, World


@dataclass
class Request:
    """An HTTP request: header names in lower case, `query` and `body` as they came."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def secret(self) -> str:
        """The API key of Bearer or Basic auth; empty if there is none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""

    def parameters(self) -> Json:
        """Query and form together, brackets resolved."""
        return decode("&".join(filter(None, (self.query, self.body.decode("utf-8", "replace")))))


@dataclass
class Answer:
    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """An authorised request on one book."""

    book: "Book"
    key: "Key"
    method: str
    parts: list[str]
    params: Json
    version: str

    def require(self, permission: str) -> None:
        self.key.require(permission, self.book.account.id)


def answer(world: "World", request: Request) -> Answer:
    """Answer one request under the world's lock; never raises for what a client did wrong."""
    with world.lock:
        request_id = f"req_{scramble(f'request:{world.request_count + 1}', 14)}"
        headers: dict[str, str] = {}
        try:
            account, key = authorise(world, request.secret())
            version = request.headers.get("stripe-version") or account.api_version
            headers["Stripe-Version"] = version
            book = account.books[key.livemode]
            call = Call(
                book, key, request.method, request.path.strip("/").split("/")[1:], request.parameters(), version
            )
            result = _once(call, request, request_id, headers)
        except errors.StripeError as error:
            result = Answer(error.status, error.body(), error.headers)
        result.headers = {**headers, **result.headers}
        note(world, request, result)
        return result


def authorise(world: "World", secret: str) -> "tuple[Account, Key]":
    """The account and key behind a secret; raises Stripe's 401 or 403."""
    if not secret:
        raise errors.no_key()
    if secret not in world.keys:
        raise errors.publishable_key() if secret.startswith("pk_") else errors.wrong_key(secret)
    account, key = world.keys[secret]
    if key.expired:
        raise errors.expired_key(secret)
    if key.kind == "publishable":
        raise errors.publishable_key()
    return account, key


def _once(call: Call, request: Request, request_id: str, headers: dict[str, str]) -> Answer:
    """Run a call, or repeat the kept answer of its idempotency key.

    As at Stripe, errors met while executing are kept too (the endpoint cap among them), refused parameters are not.
    """
    name = request.headers.get("idempotency-key", "")
    if call.method != "POST" or not name:
        return Answer(200, _run(call, request_id, None))
    headers["Idempotency-Key"] = name
    mark = _mark(request)
    if name in call.book.idempotent:
        kept_mark, status, body = call.book.idempotent[name]
        if kept_mark != mark:
            raise errors.reused_idempotency_key(name)
        return Answer(status, body, {"Idempotent-Replayed": "true"})
    try:
        result = Answer(200, _run(call, request_id, name))
    except webhook_endpoints.CapReached as error:
        result = Answer(error.status, error.body())
    call.book.idempotent[name] = [mark, result.status, result.body]
    return result


def keep_error(world: "World", request: Request, result: Answer) -> None:
    """As at Stripe, a fault of its own is the answer of an idempotency key from then on, whatever was done."""
    name = request.headers.get("idempotency-key", "")
    if result.status >= 500 and name and request.secret() in world.keys:
        account, key = world.keys[request.secret()]
        account.books[key.livemode].idempotent[name] = [_mark(request), result.status, result.body]


def _mark(request: Request) -> str:
    return f"{request.path}?{request.body.decode('utf-8', 'replace')}"


def _run(call: Call, request_id: str, idempotency_key: str | None) -> Json:
    world = call.book.world
    world.request = {"id": request_id, "idempotency_key": idempotency_key}
    try:
        body = _dispatch(call)
    finally:
        world.request = None
    if call.parts[0] == "events":
        return body  # an event stays in the version of its birth
    rendered: Json = render(call.book, body, call.version)
    return rendered


def _dispatch(call: Call) -> Json:
    if call.parts[:1] == ["webhook_endpoints"]:
        return webhook_endpoints.answer(call)
    return reads.answer(call) if call.method == "GET" else writes.answer(call)


def note(world: "World", request: Request, result: Answer) -> None:
    """Give the answer its Request-Id and write the request into the log."""
    world.request_count += 1
    request_id = result.headers["Request-Id"] = f"req_{scramble(f'request:{world.request_count}', 14)}"
    known = world.keys.get(request.secret())
    entry: dict[str, Any] = {
        "id": request_id,
        "time": time.time(),
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "status": result.status,
        "account": known[0].id if known else None,
        "key": request.secret(),
    }
    world.requests.append(entry)
