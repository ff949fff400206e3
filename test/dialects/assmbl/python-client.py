"""A program of a user of agentmail_client: the blocks of Assmbl's documentation, and every other call of the client.

Reads {"url", "token", "other_token", "address", "other_address", "hook", "folder"} from standard input, and writes what it
saw to standard output, as JSON.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from agentmail_client import AgentMailClient, AgentMailError

given: Dict[str, str] = json.load(sys.stdin)
seen: Dict[str, Any] = {}
os.environ["AGENTMAIL_API_BASE_URL"] = given["url"]
os.environ["AGENTMAIL_TOKEN"] = given["token"]

client = AgentMailClient(
    base_url=os.environ["AGENTMAIL_API_BASE_URL"],
    token=os.environ["AGENTMAIL_TOKEN"],
)
other = AgentMailClient(base_url=given["url"] + "/", token=given["other_token"])


def code_of(call: Any, *args: Any, **named: Any) -> str:
    try:
        call(*args, **named)
    except AgentMailError as error:
        return "%d %s" % (error.status_code, error.code)
    return "none"


def wait_for(count: int) -> List[Dict[str, Any]]:
    ends_at = time.monotonic() + 20
    while True:
        items: List[Dict[str, Any]] = client.list_inbox(include_archived=True).get("items", [])
        if len(items) >= count or time.monotonic() > ends_at:
            return items
        time.sleep(0.02)


# Send
sent = other.send_mail(
    to=given["address"],
    subject="Invoice 7",
    body="please pay",
    usage={"outcomes_returned": 1, "tokens_input": 12, "custom_units": {"pages": 3}},
    correlation_id="task-7",
    idempotency_key="order-7",
)
again = other.send_mail(
    to=given["address"],
    subject="Invoice 7",
    body="please pay",
    usage={"outcomes_returned": 1},
    correlation_id="task-7",
    idempotency_key="order-7",
)
seen["sent_once"] = sent == again
path = Path(given["folder"]) / "grüße.txt"
path.write_text("from a file")
other.send_mail(
    to=[given["address"]],
    subject="files",
    body="x",
    attachments=[path, {"file_name": "b.bin", "content": b"\x00\xff", "content_type": "application/x-b"}],
)
wait_for(2)

# Poll the inbox
page = client.list_inbox(limit=25)
for item in page.get("items", []):
    message_id = item["MessageID"]
    verified = item["SenderVerified"]
seen["subjects"] = sorted(item["Subject"] for item in page.get("items", []))
seen["verified_types"] = sorted({type(item["SenderVerified"]).__name__ for item in page["items"]})
by_subject = {item["Subject"]: item["MessageID"] for item in page["items"]}
message_id = by_subject["Invoice 7"]

for page in client.iter_inbox_pages(page_size=50, verified_only=True):
    for item in page.get("items", []):
        assert item["SenderVerified"]
seen["pages"] = [len(page["items"]) for page in client.iter_inbox_pages(page_size=1)]

# Read
raw = client.get_message(message_id)["raw_mime"]
seen["raw"] = "please pay" in raw

# Search
seen["q"] = [item["Subject"] for item in client.list_inbox(q="INVOICE")["items"]]
for page in client.iter_inbox_pages(q="invoice", verified_only=True):
    pass
seen["empty_q"] = code_of(client.list_inbox, q="")

# Labels
client.patch_message_labels(message_id, add=["urgent", "billing"], remove=["inbox-zero"])
seen["labelled"] = client.patch_message_labels(message_id, remove=["billing"])["labels"]
seen["by_label"] = [item["Subject"] for item in client.list_inbox(label="urgent")["items"]]
seen["label_21"] = code_of(client.patch_message_labels, message_id, add=["l%d" % index for index in range(20)])

# Read state
client.patch_message_read(message_id, is_read=True)
seen["unread"] = client.get_unread_count()["unread_count"]
seen["unread_list"] = [item["Subject"] for item in client.list_inbox(is_read=False)["items"]]

# Archive
client.patch_message_archive(message_id, archived=True)
seen["archived"] = [item["Subject"] for item in client.list_inbox()["items"]]
seen["with_archived"] = len(client.list_inbox(include_archived=True)["items"])
seen["archived_twice"] = code_of(client.patch_message_archive, message_id, archived=True)
client.patch_message_archive(message_id, archived=False)
client.list_inbox(limit=25, verified_only=True)

# Attachments
whole = client.fetch_message(by_subject["files"])
seen["bytes"] = [(each["filename"], each["bytes"].decode("latin-1")) for each in whole["downloaded_attachments"]]
in_files = client.fetch_message(by_subject["files"], download_dir=given["folder"])
seen["files"] = [Path(each["path"]).read_bytes().decode("latin-1") for each in in_files["downloaded_attachments"]]
# Files of two messages can have the same index and name.
named = [Path(each["path"]).name for each in in_files["downloaded_attachments"]]
seen["named_by_message"] = all(name.startswith(by_subject["files"]) for name in named)
seen["status"] = client.get_inbound_attachment_status(by_subject["files"], 0)["status"]
seen["whole"] = [message["body_text"] for message in client.iter_inbox(page_size=1)]
ticket = other.request_attachment_upload("c.txt", "text/plain", 10)
seen["not_arrived"] = code_of(other.request_attachment_download, ticket["object_key"])
seen["others_upload"] = code_of(client.request_attachment_download, ticket["object_key"])

# Webhook
hook = client.put_webhook(url=given["hook"], enabled=True, rotate_secret=False)
secret = hook["signing_secret"]
seen["hook"] = client.get_webhook()["url"] == given["hook"] and "signing_secret" not in client.get_webhook()
seen["rotated"] = client.put_webhook(given["hook"], rotate_secret=True)["signing_secret"] != secret
rules = client.put_notifications([{"id": "a", "name": "A", "channels": {"email": {"recipients": ["a@b.test"]}}}])
seen["rules"] = client.get_notifications() == rules
client.put_notifications([])
client.delete_webhook()


def signed(age: int, signed_body: bytes = b"{}") -> bool:
    at = str(int(time.time()) - age)
    digest = hmac.new(secret.encode(), at.encode() + b"." + signed_body, hashlib.sha256).hexdigest()
    return AgentMailClient.verify_webhook_signature(secret, at, b"{}", "v1=" + digest, max_skew_seconds=300)


seen["signatures"] = [signed(0), signed(298), signed(301), signed(-301), signed(0, b"{} ")]

# Delete
client.delete_message(message_id)
seen["deleted"] = [code_of(client.delete_message, message_id), code_of(client.get_message, message_id)]
seen["others"] = code_of(other.get_message, by_subject["files"])

# What Martlet does not have
seen["unbuilt"] = sorted(
    {
        code_of(client.send_marketplace_request, "a@b.test", "s", "b"),
        code_of(client.send_marketplace_response, "a@b.test", "r1", {"tokens_input": 1}),
        code_of(client.send_mail, "a@b.test", "s", "b", encrypt_body=True),
        code_of(client.register_directory_key, "key", "Ed25519"),
        code_of(client.revoke_directory_key),
        code_of(client.lookup_public_agent, "bob"),
        code_of(client.lookup_public_agent_cached, "bob", refresh=True),
        code_of(client.lookup_public_pricing, "bob"),
        code_of(client.put_trusted_peer, "bob", rate_cap=3),
        code_of(client.get_billing_pricing),
        code_of(client.put_billing_pricing, base_price=1),
        code_of(client.get_billing_balance),
        code_of(client.get_billing_usage),
    }
)
try:
    client.fetch_message(by_subject["files"], decrypt_with="key")
except NotImplementedError:
    seen["decrypts"] = False
seen["bad_token"] = code_of(AgentMailClient(given["url"], "am_wrong").list_inbox)
print(json.dumps(seen))
