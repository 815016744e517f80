"""A receiver that is down for a minute of real time, and a real server with a real clock."""

import time
from pathlib import Path

import pytest

from tests.support.server_process import fields, free_port, running
from tests.support.webhook_receiver import receiving

DOWN_SECONDS = 60
SETTINGS = {"AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_receiver_down_for_a_minute_gets_every_event_in_order(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, SETTINGS) as server, server.client() as api:
        endpoint = {"endpoint_url": f"http://127.0.0.1:{port}/", "events": ["user.created", "user.updated"]}
        fields(api.post("/webhook_endpoints", json=endpoint), 201)
        user_id = fields(api.post("/user_management/users", json={"email": "kim@example.org"}), 201)["id"]
        for name in "abcd":
            fields(api.put(f"/user_management/users/{user_id}", json={"first_name": name}), 200)
        time.sleep(DOWN_SECONDS)
        with receiving(port) as receiver:
            deadline = time.monotonic() + 120
            while len(receiver.received) < 5 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert receiver.names == ["user.created", *["user.updated"] * 4]
            assert receiver.ids == sorted(receiver.ids)
            assert [item.event["data"]["first_name"] for item in receiver.received] == [None, *"abcd"]
