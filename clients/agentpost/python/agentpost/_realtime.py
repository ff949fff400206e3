"""Events over a WebSocket that reconnects by itself, subscribes again and resumes after the last event."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ._transport import AgentPostError, Transport, given

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
TRIES_MAX = 10
#: The key was deleted or changed, or the client sends too many frames (RFC 6455 section 7.4.1).
POLICY_VIOLATION = 1008
#: A frame of the server has at most 1,000,000 bytes.
FRAME_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """The body of a webhook has the same members."""

    type: str
    data: Dict[str, Any]
    id: str = ""
    timestamp: str = ""
    org_id: str = ""
    env_id: Optional[str] = None
    #: Position in the events, to resume after it.
    cursor: Optional[str] = field(default=None, compare=False)


class Realtime:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def stream(
        self,
        *,
        events: Optional[Sequence[str]] = None,
        inbox_id: Optional[str] = None,
        environment_ids: Optional[Sequence[str]] = None,
        after: Optional[str] = None,
    ) -> Iterator[Event]:
        """Yields events as they happen, and blocks in between.

        It reconnects by itself, and no event is missed meanwhile. Raises AgentPostError when the server does not accept
        the key or the filter, and ConnectionError after ten failed tries in a row.

        after: a cursor, "earliest" or "latest"; default: new events only
        """
        cursor = after
        failures = 0
        environments = _listed(environment_ids)
        if environments is None:
            environment_id = self._transport.environment_id()
            environments = None if environment_id is None else [environment_id]
        subscription = given({"event_types": _listed(events), "inbox_id": inbox_id, "environment_ids": environments})
        while True:
            try:
                with self._connect() as socket:
                    socket.send(json.dumps(given({"type": "subscribe", **subscription, "after": cursor})))
                    while True:
                        frame = json.loads(socket.recv())
                        failures = 0
                        kind = frame.get("type")
                        if kind == "ping":
                            socket.send('{"type":"pong"}')
                        elif kind == "subscribed":
                            cursor = cursor or frame["cursor"]
                        elif kind == "event":
                            cursor = frame["cursor"]
                            yield _event(frame)
                        elif kind == "error":
                            error = frame["error"]
                            raise AgentPostError(error["message"], code=error.get("code"), fix=error.get("fix"))
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code == POLICY_VIOLATION:
                    raise AgentPostError(f"The server closed the connection: {error.rcvd.reason}") from error
            except InvalidStatus as error:
                if error.response.status_code in (401, 403):
                    raise AgentPostError(
                        "The server does not accept the API key", status=error.response.status_code
                    ) from error
            except OSError:
                pass  # the server is away; the wait below is for this
            failures += 1
            if failures > TRIES_MAX:
                raise ConnectionError("The server cannot be reached")
            time.sleep(min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS))

    def _connect(self) -> ClientConnection:
        url = self._transport.origin.replace("http", "ws", 1)
        return connect(f"{url}/ws?token={quote(self._transport.api_key, safe='')}", max_size=FRAME_BYTES_MAX)


def _listed(values: Optional[Sequence[str]]) -> Optional[List[str]]:
    if values is None:
        return None
    return [values] if isinstance(values, str) else list(values)


def _event(frame: Dict[str, Any]) -> Event:
    data = frame["data"]
    return Event(
        type=data["type"],
        data=data["data"],
        id=data["id"],
        timestamp=data["timestamp"],
        org_id=data["org_id"],
        env_id=data.get("env_id"),
        cursor=frame.get("cursor"),
    )
