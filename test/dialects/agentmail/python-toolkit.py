"""
Runs each tool of `agentmail-toolkit` once on a running server, as an agent would: the arguments are checked with the schema of
the tool, and the result must be JSON.

Reads {http, websockets, key} from standard input; writes one JSON object to standard output: the results by tool.
"""

import json
import sys
import time
import types

# Only for attachments at https links, of which it extracts the text. They take 40 MB.
for unused in ("filetype", "pymupdf", "docx"):
    sys.modules[unused] = types.ModuleType(unused)

from agentmail import AgentMail  # noqa: E402
from agentmail.inboxes.types import CreateInboxRequest  # noqa: E402
from agentmail.environment import AgentMailEnvironment  # noqa: E402
from agentmail_toolkit import AgentMailToolkit  # noqa: E402
from agentmail_toolkit.util import api_error_message  # noqa: E402

given = json.load(sys.stdin)
environment = AgentMailEnvironment(http=given["http"], websockets=given["websockets"])
client = AgentMail(environment=environment, api_key=given["key"])


def tools_of(client):
    return {tool.name: tool for tool in AgentMailToolkit(client).get_tools()}


tools = tools_of(client)
results = {}


def run(name, **arguments):
    tool = tools[name]
    checked = tool.params_schema(**arguments).model_dump(exclude_unset=True)
    try:
        result = tool.func(**checked)
    except Exception as error:
        results[name] = {"error": api_error_message(error)}
        return None
    results[name] = None if result is None else json.loads(result.model_dump_json())
    return result


inbox_id = run("create_inbox", username="toolkit", display_name="Tool Kit").inbox_id
run("get_inbox", inbox_id=inbox_id)
run("list_inboxes", limit=1)
attachment = {"filename": "a.txt", "content": "YQ==", "content_type": "text/plain"}
sent = run("send_message", inbox_id=inbox_id, to=["bob@example.test"], subject="Hi", text="Hello", attachments=[attachment])
message = {"inbox_id": inbox_id, "message_id": sent.message_id}
run("reply_to_message", **message, text="One more thing")
run("forward_message", **message, to=["carl@example.test"], text="See below")
run("update_message", **message, add_labels=["seen"])
run("list_threads", inbox_id=inbox_id, labels=["seen"])
thread = run("get_thread", inbox_id=inbox_id, thread_id=sent.thread_id)
first = thread.attachments[0].attachment_id
run("get_attachment", inbox_id=inbox_id, thread_id=sent.thread_id, attachment_id=first)
run("delete_inbox", inbox_id=inbox_id)

human = client.inboxes.create(request=CreateInboxRequest(username="toolkit-human")).inbox_id
made = client.agent.sign_up(username="toolkit-agent")
tools = tools_of(AgentMail(environment=environment, api_key=made.api_key))
run("agent_attach_human", human_email=human)
mails = []
for _ in range(100):  # the code arrives after the response
    mails = client.inboxes.messages.list(human).messages
    if mails:
        break
    time.sleep(0.05)
run("agent_verify", otp_code=mails[0].subject[:6])
print(json.dumps({"results": results, "not_run": sorted(set(tools) - set(results))}))
