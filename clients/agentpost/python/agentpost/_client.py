"""The resources of the API. Members of requests are keyword arguments with the names of the wire."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Sequence, Type, Union

from ._realtime import Realtime
from ._transport import Json, Transport, segment


class AgentPost:
    """
    api_key: default: the environment variable AGENTPOST_API_KEY
    environment: id or slug, for calls that name no environment
    base_url: with or without /api/v1; default: AGENTPOST_BASE_URL, or http://127.0.0.1:8080
    timeout: seconds, of one request
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        environment: Optional[str] = None,
        base_url: Optional[str] = None,
        timeout: float = 60.0,
    ) -> None:
        self._transport = Transport(api_key, environment, base_url, timeout)
        self.inboxes = Inboxes(self._transport, "/inboxes")
        self.messages = Messages(self._transport, "/messages")
        self.threads = Threads(self._transport, "/threads")
        self.drafts = Drafts(self._transport)
        self.attachments = Attachments(self._transport)
        self.environments = Collection(self._transport, "/environments")
        self.api_keys = Scoped(self._transport, "/api-keys")
        self.domains = Domains(self._transport, "/domains")
        self.webhooks = Webhooks(self._transport, "/webhooks")
        self.metrics = Metrics(self._transport)
        self.org = Org(self._transport)
        self.realtime = Realtime(self._transport)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> AgentPost:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class Collection:
    """Objects of one kind below one path."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path

    def create(self, **body: Any) -> Json:
        return self._transport.call("POST", self._path, body=body)

    def list(self, **query: Any) -> Json:
        return self._transport.call("GET", self._path, query=query)

    def get(self, id: str) -> Json:
        return self._transport.call("GET", f"{self._path}/{segment(id)}")

    def delete(self, id: str) -> None:
        self._transport.call("DELETE", f"{self._path}/{segment(id)}")


class Scoped(Collection):
    """The same, in the environment of the client unless another one is named."""

    def create(self, **body: Any) -> Json:
        return super().create(**self._transport.in_environment(body))

    def list(self, **query: Any) -> Json:
        return super().list(**self._transport.in_environment(query))


class Inboxes(Scoped):
    def update(self, id: str, **change: Any) -> Json:
        return self._transport.call("PATCH", f"{self._path}/{segment(id)}", body=change)


class Domains(Scoped):
    def verify(self, id: str) -> Json:
        return self._transport.call("POST", f"{self._path}/{segment(id)}/verify")


class Webhooks(Scoped):
    def update(self, id: str, **change: Any) -> Json:
        return self._transport.call("PATCH", f"{self._path}/{segment(id)}", body=change)

    def rotate_secret(self, id: str) -> Json:
        return self._transport.call("POST", f"{self._path}/{segment(id)}/rotate-secret")


class Labelled:
    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path

    def get(self, id: str, **query: Any) -> Json:
        return self._transport.call("GET", f"{self._path}/{segment(id)}", query=query)

    def delete(self, id: str) -> None:
        self._transport.call("DELETE", f"{self._path}/{segment(id)}")

    def add_labels(self, id: str, labels: Sequence[str]) -> Json:
        return self._label("POST", id, labels)

    def remove_labels(self, id: str, labels: Sequence[str]) -> Json:
        return self._label("DELETE", id, labels)

    def _label(self, method: str, id: str, labels: Sequence[str]) -> Json:
        path = f"{self._path}/{segment(id)}/labels"
        return self._transport.call(method, path, body={"labels": [*labels]})


class Messages(Labelled):
    def send(self, inbox_id: str, *, idempotency_key: Optional[str] = None, **message: Any) -> Json:
        path = f"/inboxes/{segment(inbox_id)}/messages"
        return self._transport.call("POST", path, body=message, idempotency_key=idempotency_key)

    def list(self, inbox_id: str, **query: Any) -> Json:
        return self._transport.call("GET", f"/inboxes/{segment(inbox_id)}/messages", query=query)

    def reply(self, id: str, *, idempotency_key: Optional[str] = None, **message: Any) -> Json:
        path = f"/messages/{segment(id)}/reply"
        return self._transport.call("POST", path, body=message, idempotency_key=idempotency_key)

    def forward(self, id: str, *, idempotency_key: Optional[str] = None, **message: Any) -> Json:
        path = f"/messages/{segment(id)}/forward"
        return self._transport.call("POST", path, body=message, idempotency_key=idempotency_key)


class Threads(Labelled):
    def list(self, inbox_id: str, **query: Any) -> Json:
        return self._transport.call("GET", f"/inboxes/{segment(inbox_id)}/threads", query=query)


class Drafts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, inbox_id: str, **draft: Any) -> Json:
        return self._transport.call("POST", f"/inboxes/{segment(inbox_id)}/drafts", body=draft)

    def list(self, inbox_id: str, **query: Any) -> Json:
        return self._transport.call("GET", f"/inboxes/{segment(inbox_id)}/drafts", query=query)

    def get(self, id: str) -> Json:
        return self._transport.call("GET", f"/drafts/{segment(id)}")

    def update(self, id: str, **change: Any) -> Json:
        return self._transport.call("PATCH", f"/drafts/{segment(id)}", body=change)

    def delete(self, id: str) -> None:
        self._transport.call("DELETE", f"/drafts/{segment(id)}")

    def send(self, id: str, *, idempotency_key: Optional[str] = None) -> Json:
        return self._transport.call("POST", f"/drafts/{segment(id)}/send", idempotency_key=idempotency_key)


class Attachments:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get_upload_url(self, *, filename: str, mime_type: str, size: int) -> Json:
        body = {"filename": filename, "mime_type": mime_type, "size": size}
        return self._transport.call("POST", "/attachments/upload-url", body=body)

    def upload(
        self, *, filename: str, content: Union[bytes, str], mime_type: str = "application/octet-stream"
    ) -> Dict[str, str]:
        """Asks for an upload, sends the bytes, and returns what a message needs of it."""
        data = content.encode() if isinstance(content, str) else content
        upload = self.get_upload_url(filename=filename, mime_type=mime_type, size=len(data))
        self._transport.put(upload["upload_url"], data, mime_type)
        return {"key": upload["key"], "filename": filename, "mime_type": mime_type}

    def get(self, id: str) -> Json:
        return self._transport.call("GET", f"/attachments/{segment(id)}")


class Metrics:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, **query: Any) -> Json:
        return self._transport.call("GET", "/metrics", query=self._in_environment(query))

    def rates(self, **query: Any) -> Json:
        return self._transport.call("GET", "/metrics/rates", query=self._in_environment(query))

    def _in_environment(self, query: Mapping[str, Any]) -> Json:
        return self._transport.in_environment(query)


class Org:
    """Martlet has no members: the calls for invitations raise AgentPostError with the code not_implemented."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Json:
        return self._transport.call("GET", "/org")

    def invite(self, *, email: str, role: str) -> Json:
        return self._transport.call("POST", "/org/invitations", body={"email": email, "role": role})

    def list_invitations(self) -> Json:
        return self._transport.call("GET", "/org/invitations")

    def revoke_invitation(self, id: str) -> None:
        self._transport.call("DELETE", f"/org/invitations/{segment(id)}")
