"""A client of Martlet for programs that were written for Assmbl.

    from agentmail_client import AgentMailClient

    client = AgentMailClient(base_url="https://mail.example.com", token=key_of_the_inbox)
    client.send_mail(to="bob@example.com", subject="Hello", body="Hello Bob")
    for item in client.list_inbox(limit=25).get("items", []):
        print(item["MessageID"], item["SenderVerified"])

Pages and messages are dictionaries, as the server sends them. Only the standard library is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import mimetypes
import os
import secrets
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

__all__ = ["AgentMailClient", "AgentMailError"]

Json = Dict[str, Any]
#: The path of a file; or an upload, ``{"object_key": ...}``; or bytes, ``{"file_name": ..., "content": b"..."}``.
Attachment = Union[str, "os.PathLike[str]", Mapping[str, Any]]


class AgentMailError(Exception):
    """The server refused a request. ``code`` is stable; ``str(error)`` is for people."""

    def __init__(self, status_code: int, body: Json) -> None:
        fix = body.get("fix")
        message = str(body.get("message", "The server answered with status %d" % status_code))
        super().__init__("%s. %s" % (message, fix) if fix else message)
        self.status_code = status_code
        self.code = str(body.get("error", "unknown"))
        self.body = body


class AgentMailClient:
    """Calls the server as the agent to whose inbox the token belongs.

    :param base_url: of the server; the default is the environment variable AGENTMAIL_API_BASE_URL
    :param token: an API key of one inbox; the default is the environment variable AGENTMAIL_TOKEN
    :param mail_domain: accepted for programs that encrypt, which is not supported
    :param timeout: of one request, in seconds
    """

    def __init__(
        self,
        base_url: Optional[str] = None,
        token: Optional[str] = None,
        mail_domain: Optional[str] = None,
        timeout: float = 60.0,
    ) -> None:
        url = base_url or os.environ.get("AGENTMAIL_API_BASE_URL")
        key = token or os.environ.get("AGENTMAIL_TOKEN")
        if not url or not url.lower().startswith(("http://", "https://")):
            raise ValueError("base_url must be an http or https URL")
        if not key:
            raise ValueError("token must be an API key of an inbox")
        self._base_url = url.rstrip("/")
        self._token = key
        self.mail_domain = mail_domain
        self._timeout = timeout

    # Sending

    def send_mail(
        self,
        to: Union[str, Sequence[str]],
        subject: str = "",
        body: str = "",
        usage: Optional[Mapping[str, Any]] = None,
        correlation_id: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        marketplace_request_id: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        attachments: Optional[Sequence[Attachment]] = None,
        encrypt_body: bool = False,
        encrypt_attachments: bool = False,
        peer_agent_id: Optional[str] = None,
    ) -> Json:
        """Sends a message. Files are uploaded first. With an idempotency_key, a repeated call sends nothing more."""
        request: Json = {
            "to": to if isinstance(to, str) else list(to),
            "subject": subject,
            "body": body,
            "usage": usage,
            "correlation_id": correlation_id,
            "idempotency_key": idempotency_key,
            "marketplace_request_id": marketplace_request_id,
            "headers": dict(headers) if headers else None,
            "encrypt_body": encrypt_body or None,
            "encrypt_attachments": encrypt_attachments or None,
            "peer_agent_id": peer_agent_id,
        }
        if attachments:
            request["attachments"] = [self._uploaded(each) for each in attachments]
        return self._call("POST", "/send", {name: value for name, value in request.items() if value is not None})

    def send_marketplace_request(
        self,
        to: Union[str, Sequence[str]],
        subject: str = "",
        body: str = "",
        marketplace_request_id: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        attachments: Optional[Sequence[Attachment]] = None,
    ) -> Json:
        """Paid requests are not supported: the server answers ``not_implemented``."""
        request_id = marketplace_request_id or secrets.token_hex(16)
        return self.send_mail(
            to, subject, body, marketplace_request_id=request_id, headers=headers, attachments=attachments
        )

    def send_marketplace_response(
        self,
        to: Union[str, Sequence[str]],
        marketplace_request_id: str,
        usage: Optional[Mapping[str, Any]] = None,
        subject: str = "",
        body: str = "",
        correlation_id: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        attachments: Optional[Sequence[Attachment]] = None,
    ) -> Json:
        """Paid requests are not supported: the server answers ``not_implemented``."""
        return self.send_mail(
            to,
            subject,
            body,
            usage=usage,
            correlation_id=correlation_id,
            marketplace_request_id=marketplace_request_id,
            headers=headers,
            attachments=attachments,
        )

    # Inbox

    def list_inbox(
        self,
        limit: Optional[int] = None,
        verified_only: Optional[bool] = None,
        cursor: Optional[str] = None,
        q: Optional[str] = None,
        label: Optional[str] = None,
        is_read: Optional[bool] = None,
        include_archived: Optional[bool] = None,
    ) -> Json:
        """Returns a page of received messages, oldest first: ``{"items": [...], "next_cursor": ...}``."""
        query = {
            "limit": limit,
            "verified_only": verified_only,
            "cursor": cursor,
            "q": q,
            "label": label,
            "is_read": is_read,
            "include_archived": include_archived,
        }
        return self._call("GET", "/inbox" + _query(query))

    def iter_inbox_pages(
        self,
        page_size: int = 50,
        verified_only: Optional[bool] = None,
        q: Optional[str] = None,
        label: Optional[str] = None,
        is_read: Optional[bool] = None,
        include_archived: Optional[bool] = None,
    ) -> Iterator[Json]:
        """Yields pages until there is no ``next_cursor``. A page can be empty and still have one."""
        cursor: Optional[str] = None
        while True:
            page = self.list_inbox(page_size, verified_only, cursor, q, label, is_read, include_archived)
            yield page
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def iter_inbox(
        self,
        download_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
        decrypt_with: Optional[str] = None,
        passphrase: Optional[str] = None,
        page_size: int = 50,
        verified_only: Optional[bool] = None,
        q: Optional[str] = None,
        label: Optional[str] = None,
        is_read: Optional[bool] = None,
        include_archived: Optional[bool] = None,
    ) -> Iterator[Json]:
        """Yields whole messages, as ``fetch_message`` returns them."""
        for page in self.iter_inbox_pages(page_size, verified_only, q, label, is_read, include_archived):
            for item in page.get("items", []):
                yield self.fetch_message(item["MessageID"], download_dir, decrypt_with, passphrase)

    def get_unread_count(self) -> Json:
        """Returns ``{"unread_count": n}``, without archived messages."""
        return self._call("GET", "/inbox/unread_count")

    # Messages

    def get_message(self, message_id: str) -> Json:
        """Returns a message with ``raw_mime`` (None if it is too large: see ``raw_mime_url``) and its bodies."""
        return self._call("GET", _message(message_id))

    def fetch_message(
        self,
        message_id: str,
        download_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
        decrypt_with: Optional[str] = None,
        passphrase: Optional[str] = None,
        include_attachments: bool = True,
        poll_interval_seconds: float = 1.0,
        max_poll_seconds: float = 60.0,
    ) -> Json:
        """Returns a message with its attachments: as bytes, or as files in ``download_dir``."""
        if decrypt_with is not None or passphrase is not None:
            raise NotImplementedError("Martlet has no encrypted messages (OpenPGP)")
        message = self.get_message(message_id)
        downloaded: List[Json] = []
        for item in message.get("Attachments", []) if include_attachments else []:
            index = int(item["index"])
            status = self._wait_until_ready(message_id, index, poll_interval_seconds, max_poll_seconds)
            entry: Json = {
                "index": index,
                "filename": status.get("file_name"),
                "content_type": status.get("content_type"),
                "status": status.get("status"),
                "encrypted": False,
                "decrypted": False,
            }
            if status.get("status") == "ready":
                content = self._download(self.request_inbound_attachment_download(message_id, index)["url"])
                if download_dir is None:
                    entry["bytes"] = content
                else:
                    beginning = "%s-%d" % (message["MessageID"], index)
                    entry["path"] = _write_file(Path(download_dir), beginning, entry["filename"], content)
            downloaded.append(entry)
        return {**message, "body_text_decrypted": None, "downloaded_attachments": downloaded}

    def delete_message(self, message_id: str) -> Json:
        return self._call("DELETE", _message(message_id))

    def patch_message_labels(
        self, message_id: str, add: Optional[Sequence[str]] = None, remove: Optional[Sequence[str]] = None
    ) -> Json:
        """Adds and removes labels at once: all of them or none."""
        change = {"add": list(add or []), "remove": list(remove or [])}
        return self._call("PATCH", _message(message_id) + "/labels", change)

    def patch_message_read(self, message_id: str, is_read: bool = True) -> Json:
        return self._call("PATCH", _message(message_id) + "/read", {"is_read": is_read})

    def patch_message_archive(self, message_id: str, archived: bool = True) -> Json:
        """Archives a message, or puts it back. To archive it twice is an error with status 409."""
        return self._call("PATCH", _message(message_id) + "/archive", {"archived": archived})

    # Attachments

    def get_inbound_attachment_status(self, message_id: str, index: int) -> Json:
        return self._call("GET", "%s/attachments/%d" % (_message(message_id), index))

    def request_inbound_attachment_download(self, message_id: str, index: int) -> Json:
        """Returns ``{"url": ...}``, which needs no token and expires."""
        return self._call("POST", "%s/attachments/%d/download" % (_message(message_id), index))

    def request_attachment_upload(self, file_name: str, content_type: str, max_bytes: int) -> Json:
        """Returns ``{"object_key": ..., "upload": {"url": ..., ...}}``: post a form with the other members and the file."""
        request = {"file_name": file_name, "content_type": content_type, "max_bytes": max_bytes}
        return self._call("POST", "/attachments/upload", request)

    def request_attachment_download(self, object_key: str) -> Json:
        """Returns ``{"url": ...}`` for a file that this agent has uploaded."""
        return self._call("POST", "/attachments/download", {"object_key": object_key})

    # Webhook and notifications

    def put_webhook(self, url: str, enabled: bool = True, rotate_secret: bool = False) -> Json:
        """Sets the webhook. ``signing_secret`` is in the answer if it is new."""
        return self._call("PUT", "/webhook", {"url": url, "enabled": enabled, "rotate_secret": rotate_secret})

    def get_webhook(self) -> Json:
        return self._call("GET", "/webhook")

    def delete_webhook(self) -> Json:
        return self._call("DELETE", "/webhook")

    def get_notifications(self) -> Json:
        return self._call("GET", "/notifications")

    def put_notifications(self, rules: Sequence[Mapping[str, Any]]) -> Json:
        """Replaces all rules."""
        return self._call("PUT", "/notifications", {"rules": [dict(rule) for rule in rules]})

    @staticmethod
    def verify_webhook_signature(
        signing_secret: str,
        timestamp: Union[str, int],
        raw_body: Union[str, bytes],
        signature_header: str,
        max_skew_seconds: float = 300,
    ) -> bool:
        """Returns whether a webhook request is from the server, and at most ``max_skew_seconds`` old.

        :param timestamp: the header X-AgentMail-Timestamp
        :param signature_header: the header X-AgentMail-Signature
        """
        try:
            seconds = int(timestamp)
        except ValueError:
            return False
        if abs(time.time() - seconds) > max_skew_seconds:
            return False
        body = raw_body.encode() if isinstance(raw_body, str) else raw_body
        signed = str(seconds).encode() + b"." + body
        expected = "v1=" + hmac.new(signing_secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature_header.encode())

    # Parts of Assmbl that Martlet does not have: the server answers not_implemented, with status 403.

    def register_directory_key(
        self,
        public_key: str,
        algorithm: str,
        key_version: int = 1,
        if_match_version: int = 0,
        openpgp_public_key: Optional[str] = None,
    ) -> Json:
        return self._call("POST", "/directory/register", {"public_key": public_key, "algorithm": algorithm})

    def revoke_directory_key(self) -> Json:
        return self._call("POST", "/directory/revoke")

    def lookup_public_agent(self, agent_id: str) -> Json:
        return self._call("GET", "/public/agents/" + quote(agent_id, safe=""))

    def lookup_public_agent_cached(self, agent_id: str, refresh: bool = False) -> Json:
        return self.lookup_public_agent(agent_id)

    def lookup_public_pricing(self, agent_id: str) -> Json:
        return self._call("GET", "/public/agents/%s/pricing" % quote(agent_id, safe=""))

    def put_trusted_peer(self, peer_agent_id: str, **settings: Any) -> Json:
        return self._call("PUT", "/peers/" + quote(peer_agent_id, safe=""), settings)

    def get_billing_pricing(self) -> Json:
        return self._call("GET", "/billing/pricing")

    def put_billing_pricing(self, **pricing: Any) -> Json:
        return self._call("PUT", "/billing/pricing", pricing)

    def get_billing_balance(self) -> Json:
        return self._call("GET", "/billing/balance")

    def get_billing_usage(self) -> Json:
        return self._call("GET", "/billing/usage")

    # Requests

    def _call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Json:
        headers = {"Authorization": "Bearer " + self._token, "Accept": "application/json"}
        data: Optional[bytes] = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        answer = self._request(Request(self._base_url + path, data=data, headers=headers, method=method))
        parsed = json.loads(answer) if answer else {}
        return parsed if isinstance(parsed, dict) else {"value": parsed}

    def _request(self, request: Request) -> bytes:
        try:
            with urlopen(request, timeout=self._timeout) as response:
                content: bytes = response.read()
                return content
        except HTTPError as error:
            with error:
                raise AgentMailError(error.code, _error_body(error.read())) from None

    def _download(self, url: str) -> bytes:
        return self._request(Request(url))

    def _uploaded(self, attachment: Attachment) -> Json:
        """Uploads a file, unless it is uploaded already. Returns the attachment of a send request."""
        if isinstance(attachment, Mapping):
            if "object_key" in attachment:
                return dict(attachment)
            name = str(attachment["file_name"])
            content = attachment["content"]
            data = content.encode() if isinstance(content, str) else bytes(content)
            kind = attachment.get("content_type")
        else:
            path = Path(attachment)
            name, data, kind = path.name, path.read_bytes(), None
        content_type = str(kind or mimetypes.guess_type(name)[0] or "application/octet-stream")
        ticket = self.request_attachment_upload(name, content_type, len(data))
        upload = dict(ticket["upload"])
        url = str(upload.pop("url"))
        form, form_type = _form(upload, name, content_type, data)
        self._request(Request(url, data=form, headers={"Content-Type": form_type}, method="POST"))
        return {"object_key": ticket["object_key"], "file_name": name, "content_type": content_type}

    def _wait_until_ready(self, message_id: str, index: int, interval: float, longest: float) -> Json:
        ends_at = time.monotonic() + longest
        while True:
            status = self.get_inbound_attachment_status(message_id, index)
            if status.get("status") != "pending" or time.monotonic() + interval > ends_at:
                return status
            time.sleep(interval)


def _message(message_id: str) -> str:
    return "/messages/" + quote(message_id, safe="")


def _query(values: Mapping[str, Any]) -> str:
    texts = {name: _text(value) for name, value in values.items() if value is not None}
    return "?" + urlencode(texts) if texts else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error_body(content: bytes) -> Json:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _form(fields: Mapping[str, Any], name: str, content_type: str, data: bytes) -> Tuple[bytes, str]:
    boundary = secrets.token_hex(16)
    head = "".join(
        '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, field, value)
        for field, value in fields.items()
    )
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head += '--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n' % (boundary, escaped)
    head += "Content-Type: %s\r\n\r\n" % content_type
    body = head.encode() + data + ("\r\n--%s--\r\n" % boundary).encode()
    return body, "multipart/form-data; boundary=" + boundary


def _write_file(folder: Path, beginning: str, name: Optional[str], content: bytes) -> str:
    """Writes into the folder only, and over no file of another message: the sender chose the name."""
    safe = "".join("_" if each in '/\\:*?"<>|' or ord(each) < 32 else each for each in name or "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("%s-%s" % (beginning, _last_bytes(safe.strip(". "), 180) or "attachment"))
    path.write_bytes(content)
    return str(path)


def _last_bytes(text: str, most: int) -> str:
    """Returns the end of a text. File systems limit the name of a file to 255 bytes, not characters."""
    return text.encode(errors="replace")[-most:].decode(errors="ignore")
