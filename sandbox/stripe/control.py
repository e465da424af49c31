"""The control API under /_sandbox/ (JSON) and the forms of the control page at / (see page.py).

GET   /_sandbox/accounts  keys  objects?account=&type=  requests  attempts  faults  deliveries
POST  /_sandbox/accounts  {name, ...}                    a new account, or the known one
POST  /_sandbox/keys      {account, kind, livemode, label, only, without, expired}
POST  /_sandbox/play      {account, livemode, scenario, ...arguments}
POST  /_sandbox/faults    {status, path, count, ...}     fields of faults.Fault
POST  /_sandbox/deliveries {automatic, lose, double, ...} fields of deliveries.Knobs
POST  /_sandbox/deliver   {}    send all that waits now  POST /_sandbox/discard  forget it
POST  /_sandbox/resend    {account, livemode, event, endpoint}
POST  /_sandbox/send_raw  {account, livemode, body}      any text, signed, to every endpoint
POST  /_sandbox/clock     {offset}                       seconds ahead of the real time
DELETE /_sandbox/faults   /_sandbox/requests
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import page, posting
from .api import Request
from .forms import Json, decode
from .scenarios import play
from .shapes import render_stored_event

if TYPE_CHECKING:
    from .book import Book
    from .world import Account, World

Reply = tuple[int, str, bytes, dict[str, str]]
JSON = "application/json"


def answer(world: "World", base_url: str, request: Request) -> Reply:
    """Answer a request that is not for /v1."""
    if request.path == "/" and request.method == "GET":
        with world.lock:
            return 200, "text/html; charset=utf-8", page.render(world, base_url, request.query).encode(), {}
    if request.path == "/" and request.method == "POST":
        return _form(world, request)
    action = ACTIONS.get((request.method, request.path.removeprefix("/_sandbox/")))
    if action is None:
        return _json(404, {"error": f"No such control: {request.method} {request.path}"})
    try:
        return _json(200, action(world, _arguments(request)))
    except (KeyError, TypeError, ValueError) as error:
        return _json(400, {"error": str(error.args[0]) if error.args else type(error).__name__})


def _json(status: int, body: Any) -> Reply:
    return status, JSON, json.dumps(body).encode(), {}


def _arguments(request: Request) -> Json:
    if request.headers.get("content-type", "").startswith(JSON) and request.body:
        found = json.loads(request.body)
        if not isinstance(found, dict):
            raise ValueError("The body must be a JSON object.")
        return found
    return request.parameters()


def _form(world: "World", request: Request) -> Reply:
    """A button of the control page: do it, then show the page again with a word about it."""
    given = decode(request.body.decode("utf-8", "replace"))
    back: Json = {name: given.pop(name) for name in ("account", "mode") if name in given}
    message = page.press(world, given.pop("do", ""), back, given)
    return 303, "text/plain", b"", {"Location": page.address(back, message)}


def find_book(world: "World", arguments: Json) -> "Book":
    """Take `account` (name or id) and `livemode` out of the arguments. KeyError: no such account."""
    account = find_account(world, arguments.pop("account", ""))
    return account.books[arguments.pop("livemode", True) not in (False, "false", "0")]


def find_account(world: "World", name: str) -> "Account":
    account = world.account(name)
    if account is None:
        raise KeyError(f"The sandbox has no account {name!r}.")
    return account


def describe(account: "Account") -> Json:
    """An account as the control API shows it, keys and counts included."""
    books = {"live" if mode else "test": book for mode, book in account.books.items()}
    return {
        "id": account.id,
        "name": account.name,
        "api_version": account.api_version,
        "local_webhooks": account.local_webhooks,
        "charges_enabled": account.charges_enabled,
        "keys": [
            {
                "secret": key.secret,
                "kind": key.kind,
                "livemode": key.livemode,
                "label": key.label,
                "expired": key.expired,
            }
            for key in account.keys
        ],
        "counts": {mode: {name: len(rows) for name, rows in book.collections.items()} for mode, book in books.items()},
    }


def _accounts(world: "World", arguments: Json) -> Json:
    return {"accounts": [describe(account) for account in world.accounts.values()]}


def _make_account(world: "World", arguments: Json) -> Json:
    with world.lock:
        known = world.account(arguments["name"])
        return describe(known or world.add_account(**arguments))


def _keys(world: "World", arguments: Json) -> Json:
    return {
        "keys": [
            {"account": account.name, **key} for account in world.accounts.values() for key in describe(account)["keys"]
        ]
    }


def _make_key(world: "World", arguments: Json) -> Json:
    with world.lock:
        account = find_account(world, arguments.pop("account", ""))
        return {"secret": world.add_key(account, **arguments)}


def _play(world: "World", arguments: Json) -> Json:
    book = find_book(world, arguments)
    return play(book, arguments.pop("scenario", ""), **arguments)


def _objects(world: "World", arguments: Json) -> Json:
    book = find_book(world, arguments)
    with world.lock:
        rows = list(book.collection(arguments["type"]).newest_first())
    if arguments["type"] == "event":
        rows = [render_stored_event(book, row) for row in rows]
    return {"objects": rows}


def _order_fault(world: "World", arguments: Json) -> Json:
    if arguments.get("account"):
        arguments["account"] = find_account(world, arguments["account"]).id
    with world.lock:
        world.faults.order(**arguments)
        return {"faults": world.faults.listing()}


def _clear_faults(world: "World", arguments: Json) -> Json:
    with world.lock:
        world.faults.clear()
    return {"faults": []}


def _turn_knobs(world: "World", arguments: Json) -> Json:
    world.deliveries.configure(**arguments)
    return _knobs(world, {})


def _knobs(world: "World", arguments: Json) -> Json:
    with world.lock:
        deliveries = world.deliveries
        return {"knobs": dict(deliveries.knobs.__dict__), "waiting": len(deliveries.waiting), "idle": deliveries.idle()}


def _resend(world: "World", arguments: Json) -> Json:
    book = find_book(world, arguments)
    with world.lock:
        event = book.must(arguments["event"])
        return {"queued": world.deliveries.enqueue(book, event, arguments.get("endpoint"))}


def _send_raw(world: "World", arguments: Json) -> Json:
    book = find_book(world, arguments)
    with world.lock:
        targets = [(row["url"], book.secrets[row["id"]]) for row in book.collection("webhook_endpoint").newest_first()]
    body = arguments["body"].encode("utf-8", "surrogatepass")
    return {"statuses": [posting.post(url, body, secret, 10)[0] for url, secret in targets]}


def _set_clock(world: "World", arguments: Json) -> Json:
    with world.lock:
        world.offset = int(arguments["offset"])
    return {"offset": world.offset, "now": world.now()}


def _clear_requests(world: "World", arguments: Json) -> Json:
    world.requests.clear()
    return {"requests": []}


ACTIONS: dict[tuple[str, str], Callable[["World", Json], Json]] = {
    ("GET", "accounts"): _accounts,
    ("POST", "accounts"): _make_account,
    ("GET", "keys"): _keys,
    ("POST", "keys"): _make_key,
    ("POST", "play"): _play,
    ("GET", "objects"): _objects,
    ("GET", "requests"): lambda world, arguments: {"requests": list(world.requests)},
    ("DELETE", "requests"): _clear_requests,
    ("GET", "attempts"): lambda world, arguments: {"attempts": world.deliveries.attempts},
    ("GET", "faults"): lambda world, arguments: {"faults": world.faults.listing()},
    ("POST", "faults"): _order_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "deliveries"): _knobs,
    ("POST", "deliveries"): _turn_knobs,
    ("POST", "deliver"): lambda world, arguments: {"attempts": world.deliveries.send_due()},
    ("POST", "discard"): lambda world, arguments: {"discarded": world.deliveries.discard()},
    ("POST", "resend"): _resend,
    ("POST", "send_raw"): _send_raw,
    ("POST", "clock"): _set_clock,
}
