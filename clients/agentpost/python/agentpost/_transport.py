"""Requests of the client: base URL, key, environment and errors."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"

Json = Dict[str, Any]


class AgentPostError(Exception):
    """The server refused a request. ``status`` is None for an error on the WebSocket."""

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        code: Optional[str] = None,
        field: Optional[str] = None,
        fix: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.field = field
        self.fix = fix


class Transport:
    def __init__(
        self, api_key: Optional[str], environment: Optional[str], base_url: Optional[str], timeout: float
    ) -> None:
        key = api_key or os.environ.get("AGENTPOST_API_KEY")
        if not key:
            raise ValueError("Pass api_key, or set AGENTPOST_API_KEY")
        self.api_key = key
        self.origin = _origin(base_url or os.environ.get("AGENTPOST_BASE_URL") or DEFAULT_URL)
        self._environment = environment
        self._environment_id: Optional[str] = None
        self._http = httpx.Client(timeout=timeout)

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, Any]] = None,
        body: Optional[Mapping[str, Any]] = None,
        idempotency_key: Optional[str] = None,
    ) -> Json:
        """Returns the response; an empty dict for one without a body. Raises AgentPostError."""
        headers = {"authorization": f"Bearer {self.api_key}"}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        response = self._http.request(
            method,
            f"{self.origin}/api/v1{path}",
            params=given(query),
            # In a change, null clears a member; elsewhere, None means that it is not given.
            json=body if body is None or method == "PATCH" else given(body),
            headers=headers,
        )
        return _read(response)

    def put(self, url: str, content: bytes, content_type: str) -> Json:
        """Sends bytes to a signed URL, without the key."""
        return _read(self._http.put(url, content=content, headers={"content-type": content_type}))

    def in_environment(self, members: Mapping[str, Any]) -> Json:
        """Adds the environment of the client to members that name neither an environment nor an inbox."""
        named = given(members)
        if "environment_id" in named or "inbox_id" in named:
            return named
        environment_id = self.environment_id()
        return named if environment_id is None else {**named, "environment_id": environment_id}

    def environment_id(self) -> Optional[str]:
        """The id of the environment of the client, which may be given by its slug."""
        if self._environment is None or self._environment.startswith("env_"):
            return self._environment
        if self._environment_id is None:
            self._environment_id = self._find_environment(self._environment)
        return self._environment_id

    def _find_environment(self, slug: str) -> str:
        cursor: Optional[str] = None
        while True:
            page = self.call("GET", "/environments", query={"limit": 100, "cursor": cursor})
            for each in page["data"]:
                if each["slug"] == slug:
                    return str(each["id"])
            cursor = page.get("next_cursor")
            if cursor is None:
                raise AgentPostError(f'There is no environment "{slug}"', code="not_found")


def given(members: Optional[Mapping[str, Any]]) -> Json:
    """Returns the members that are not None."""
    return {name: value for name, value in (members or {}).items() if value is not None}


def segment(text: str) -> str:
    if not text:
        raise ValueError("An id must be a text that is not empty")
    return quote(text, safe="")


def _read(response: httpx.Response) -> Json:
    try:
        body: Any = response.json() if response.content else {}
    except ValueError:
        body = {}  # a proxy answered
    if response.is_success:
        return body if isinstance(body, dict) else {}
    error = body.get("error", {}) if isinstance(body, dict) else {}
    raise AgentPostError(
        error.get("message") or f"The server responded with {response.status_code}",
        status=response.status_code,
        code=error.get("code"),
        field=error.get("field"),
        fix=error.get("fix"),
    )


def _origin(base_url: str) -> str:
    """The documentation writes the base URL with /api/v1; the WebSocket is not below it."""
    return re.sub(r"/api/v1$", "", base_url.rstrip("/"))
