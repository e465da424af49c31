"""The fakes of the systems that automations send to."""

from __future__ import annotations

from datetime import UTC, datetime

import requests
from standardwebhooks import Webhook

from sandbox import customerio, webhook_receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def post(url: str, body: str, secret: str) -> int:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return requests.post(url, data=body, headers=headers, timeout=5).status_code


def test_the_receiver_takes_only_what_is_signed_with_its_secret() -> None:
    with webhook_receiver.serve(secret=SECRET) as receiver:
        assert post(receiver.url, '{"a":1}', SECRET) == 200
        assert post(receiver.url, '{"a":1}', "whsec_AAAA") == 401
        assert [message.verified for message in receiver.messages()] == [1, 0]


def test_faults_strike_as_often_as_they_are_told() -> None:
    with webhook_receiver.serve() as receiver:
        receiver.fault(status=503, count=2, headers={"Retry-After": "9"})
        answers = [requests.post(receiver.url, data="{}", timeout=5) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert answers[0].headers["Retry-After"] == "9" and len(receiver.messages()) == 1


def test_customer_io_knows_people_and_events_by_their_ids() -> None:
    with customerio.serve() as service:
        account = service.account("eu")
        auth = (account.site_id, account.api_key)
        base = f"{service.base_url}/eu/api/v1"
        assert requests.get(f"{base}/accounts/region", auth=auth, timeout=5).json()["data_center"] == "eu"
        for name in ("Ann", "Anna"):
            requests.put(f"{base}/customers/ann%40x.example", json={"name": name}, auth=auth, timeout=5)
            requests.post(
                f"{base}/customers/ann%40x.example/events", json={"name": "e", "id": "1"}, auth=auth, timeout=5
            )
        assert service.people(account) == {"ann@x.example": {"name": "Anna"}}
        assert len(service.events(account)) == 1
        wrong_region = base.replace("/eu/", "/us/")
        assert requests.put(f"{wrong_region}/customers/a", json={}, auth=auth, timeout=5).status_code == 401
        assert requests.put(f"{base}/customers/a", json={}, auth=("x", "y"), timeout=5).status_code == 401
        page = requests.get(service.base_url, timeout=5).text
        assert "ann@x.example" in page
