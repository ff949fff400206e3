"""A client of the AgentPost API, for Martlet (docs/compatibility/agentpost.md).

    from agentpost import AgentPost

    client = AgentPost(api_key="ap_sk_live_...", base_url="http://127.0.0.1:8080")
    inbox = client.inboxes.create(username="support")

Requests and responses have the names of the wire; responses are dicts.
"""

from ._client import AgentPost
from ._realtime import Event
from ._transport import AgentPostError

__all__ = ["AgentPost", "AgentPostError", "Event"]
