"""Programs of Python users of AgentPost, in the form of the service's quickstart. clients.test.ts runs them and reads what
they print."""

import asyncio
import json
import os
import socket
import sys
import threading

import websockets

import agentpost._realtime as realtime
from agentpost import AgentPost, AgentPostError

inbox_id = os.environ["INBOX_ID"]
ws_url = os.environ["AGENTPOST_BASE_URL"].replace("http", "ws", 1) + "/ws?token=" + os.environ["AGENTPOST_API_KEY"]
realtime.FIRST_WAIT_SECONDS = 0.01


def say(line: str) -> None:
    """Writes a line in one call. `print` writes its end in another one, and a line of another thread can come in between."""
    sys.stdout.write(line + "\n")


def calls() -> None:
    """Every call of the package."""
    with AgentPost() as client:
        environment = client.environments.create(name="Python", slug="python")
        assert client.environments.get(environment["id"]) == environment
        assert environment in client.environments.list(limit=100)["data"]
        scoped = AgentPost(environment="python", base_url=os.environ["AGENTPOST_BASE_URL"] + "/api/v1/")
        inbox = scoped.inboxes.create(username="snake", display_name="Snake", client_id="snake-1")
        assert inbox["environment_id"] == environment["id"]
        assert scoped.inboxes.list()["data"] == [inbox]
        assert client.inboxes.get(inbox["id"]) == inbox
        assert client.inboxes.update(inbox["id"], display_name=None)["display_name"] is None

        file = client.attachments.upload(filename="a.txt", content="grüße", mime_type="text/plain")
        message = client.messages.send(
            inbox["id"],
            to=[{"email": "ann@example.test", "name": "Ann"}],
            subject="Hello",
            text_body="Hi",
            attachments=[file],
            idempotency_key="python-1",
        )
        assert message["direction"] == "outbound" and message["has_attachments"]
        assert client.attachments.get(message["attachments"][0]["id"])["size"] == 7
        assert client.messages.list(inbox["id"], limit=20)["data"][0]["id"] == message["id"]
        assert client.messages.get(message["id"])["text_body"] == "Hi"
        assert "urgent" in client.messages.add_labels(message["id"], ["Urgent"])["labels"]
        assert "urgent" not in client.messages.remove_labels(message["id"], ["urgent"])["labels"]
        assert client.messages.forward(message["id"], to="bob@example.test")["subject"] == "Fwd: Hello"
        assert client.messages.reply(message["id"], to="ann@example.test", text_body="x")["subject"] == "Re: Hello"
        thread = client.threads.list(inbox["id"], limit=20)["data"][0]
        assert len(client.threads.get(thread["id"])["messages"]) == thread["message_count"]
        assert "seen" in client.threads.add_labels(thread["id"], ["seen"])["labels"]
        assert "seen" not in client.threads.remove_labels(thread["id"], ["seen"])["labels"]
        client.threads.delete(thread["id"])

        draft = client.drafts.create(inbox["id"], to="a@b.test", subject="Draft", text_body="1")
        assert client.drafts.update(draft["id"], subject=None)["subject"] is None
        assert client.drafts.list(inbox["id"])["data"][0]["id"] == draft["id"]
        assert client.drafts.get(draft["id"])["text_body"] == "1"
        client.messages.delete(client.drafts.send(draft["id"])["id"])
        client.drafts.delete(client.drafts.create(inbox["id"])["id"])

        webhook = scoped.webhooks.create(url="http://127.0.0.1:9/", event_types=["message.sent"])
        assert webhook["secret"].startswith("whsec_")
        assert client.webhooks.update(webhook["id"], enabled=False)["enabled"] is False
        assert client.webhooks.rotate_secret(webhook["id"])["secret"] != webhook["secret"]
        assert client.webhooks.get(webhook["id"])["enabled"] is False
        client.webhooks.delete(webhook["id"])
        key = scoped.api_keys.create(name="k")
        assert key["key"].startswith("ap_sk_live_")
        assert scoped.api_keys.list()["data"][0]["id"] == key["id"]
        client.api_keys.delete(key["id"])
        domain = scoped.domains.create(domain="python.example")
        assert client.domains.get(domain["id"])["status"] == "pending"
        client.domains.delete(domain["id"])
        assert client.metrics.get(inbox_id=inbox["id"])["data"]
        assert client.metrics.rates(inbox_id=inbox["id"])["data"]
        assert client.org.get()["id"].startswith("org_")
        client.inboxes.delete(inbox["id"])
        for call, code in (
            (lambda: client.inboxes.get(inbox["id"]), "not_found"),
            (lambda: client.org.invite(email="a@b.test", role="member"), "not_implemented"),
            (lambda: next(AgentPost("wrong").realtime.stream()), None),
            (lambda: next(client.realtime.stream(events=["nonsense"])), "validation_error"),
        ):
            try:
                call()
                say(f"problem: no error {code}")
            except AgentPostError as error:
                assert error.code == code, error.code
    say("calls: done")


def stream() -> None:
    """The stream of the package, whose connection is lost once."""
    client = AgentPost()
    opened = []
    connect = client.realtime._connect

    def recorded():
        opened.append(connect())
        return opened[-1]

    client.realtime._connect = recorded
    # The acknowledgement is not shown: "earliest" makes the start certain.
    for event in client.realtime.stream(events=["message.received"], inbox_id=inbox_id, after="earliest"):
        if event.type == "message.received":
            say(f"stream: {event.type} {event.data['from_address']} {event.data['subject']}")
        if len(opened) == 1:
            opened[0].socket.shutdown(socket.SHUT_RDWR)
            say("stream: lost")


def environments() -> None:
    client = AgentPost()
    stream = client.realtime.stream(environment_ids=[os.environ["ENVIRONMENT_ID"]], after="earliest")
    for event in stream:
        if event.data.get("inbox_id") == inbox_id:
            say(f"environments: {event.type} {event.data['subject']}")


async def listener() -> None:
    """Without the package."""
    async with websockets.connect(ws_url) as ws:
        await ws.send(json.dumps({"type": "subscribe", "event_types": ["message.received"], "inbox_id": inbox_id}))
        async for raw in ws:
            message = json.loads(raw)
            if message["type"] == "subscribed":
                say("listener: ready")
            elif message["type"] == "event":
                event = message["data"]
                say(f"listener: {event['type']} {event['data']['subject']}")
            elif message["type"] == "ping":
                await ws.send(json.dumps({"type": "pong"}))
                say("listener: pong")


async def loop() -> None:
    """Without the package, reconnecting; the first connection is closed at once."""
    attempt = 0
    while attempt < 10:
        try:
            async with websockets.connect(ws_url) as ws:
                await ws.send(json.dumps({"type": "subscribe", "inbox_id": inbox_id}))
                if attempt == 0:
                    raise ConnectionError("lost")
                async for raw in ws:
                    message = json.loads(raw)
                    if message["type"] == "subscribed":
                        say("loop: ready")  # not earlier: a message could arrive before the subscription
                    elif message["type"] == "event":
                        say(f"loop: {message['data']['data']['subject']}")
        except (websockets.ConnectionClosed, OSError):
            await asyncio.sleep(min(2**attempt, 60) / 100)
            attempt += 1


async def listeners() -> None:
    await asyncio.gather(listener(), loop())


def reported(program) -> None:
    try:
        program()
    except Exception as error:
        say(f"problem: {program.__name__} {error!r}")


reported(calls)
say("stream: ready")
for program in (stream, environments, lambda: asyncio.run(listeners())):
    threading.Thread(target=reported, args=(program,), daemon=True).start()
input()
