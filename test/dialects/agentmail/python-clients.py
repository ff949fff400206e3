"""
Calls every operation of an installed `agentmail` package on a running server, with the synchronous and the asynchronous
client. The package builds its objects without a check; here each answer is also validated with its own pydantic models, so
that a missing or wrong member fails.

Reads {http, websockets, key, operations, username, publish} from standard input; `publish` is a URL that puts records into
DNS; writes one JSON object to standard output: the version of the package, how many operations were called, and the problems.
"""

import asyncio
import importlib.metadata
import inspect
import json
import sys
import traceback

import httpx
import pydantic
from agentmail.core import unchecked_base_model

problems = []
construct = unchecked_base_model.construct_type
depth = 0


def construct_and_validate(*, type_, object_):
    """Replaces the package's own function, which its modules import when they are first used."""
    global depth
    depth += 1
    try:
        result = construct(type_=type_, object_=object_)
    finally:
        depth -= 1
    if depth == 0:
        try:
            pydantic.TypeAdapter(type_).validate_python(object_)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problems.append(f"{getattr(type_, '__name__', type_)}: {first['loc']} {first['msg']}")
    return result


unchecked_base_model.construct_type = construct_and_validate

from agentmail import AgentMail, AsyncAgentMail, Subscribe  # noqa: E402
from agentmail.core.api_error import ApiError  # noqa: E402
from agentmail.environment import AgentMailEnvironment  # noqa: E402

given = json.load(sys.stdin)
environment = AgentMailEnvironment(http=given["http"], websockets=given["websockets"])
operations = {operation["python"]: operation for operation in given["operations"]}
names = {(operation["method"], operation["path"]): name for name, operation in operations.items()}


def pattern_of(method, path):
    """Returns the path of the operation that a request calls; words win over parameters."""
    segments = path.split("/")

    def matches(pattern):
        parts = pattern.split("/")
        return len(parts) == len(segments) and all(a == b or a.startswith("{") for a, b in zip(parts, segments))

    found = [pattern for (known, pattern) in names if known == method and matches(pattern)]
    return min(found, key=lambda pattern: pattern.count("{"), default=path)


class Run:
    """One run through all operations, with one client of either kind."""

    def __init__(self, client, kind):
        self.client = client
        self.kind = kind
        self.called = set()

    def record(self, request):
        name = names.get((request.method, pattern_of(request.method, request.url.raw_path.decode().split("?")[0])))
        self.called.add(name)

    async def call(self, name, /, *args, **kwargs):
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        result = method(*args, **kwargs)
        if inspect.isawaitable(result):
            return await result
        if inspect.isasyncgen(result):
            return [chunk async for chunk in result]
        return list(result) if inspect.isgenerator(result) else result

    def check(self, value, what):
        if not value:
            problems.append(f"{self.kind}: {what}")

    async def refused(self, name, status, code, /, *args, **kwargs):
        try:
            await self.call(name, *args, **kwargs)
        except ApiError as error:
            body = error.body if isinstance(error.body, dict) else getattr(error.body, "__dict__", {})
            self.check(error.status_code == status and body.get("code") == code, f"{name} gets {error.status_code} {body}")
        else:
            problems.append(f"{self.kind}: {name} succeeds")

    async def everything(self):
        for part in (self.tenants, self.mail, self.drafts, self.domains, self.settings, self.agents, self.without_objects):
            try:
                await part()
            except Exception:  # the other parts may still say something
                problems.append(f"{self.kind}: {part.__name__}: {traceback.format_exc(limit=-3)}")
        missing = [name for name in operations if name not in self.called]
        self.check(not missing, f"not called: {missing}")

    async def tenants(self):
        me = await self.call("auth.me")
        self.check(me.scope_type == "organization", f"scope {me.scope_type}")
        await self.call("organizations.get")
        if "organizations.get_labs" in operations:
            self.check(not (await self.call("organizations.get_labs")).available, "labs are available")
        spare = await self.call("pods.create", name="spare")
        await self.call("pods.get", spare.pod_id)
        self.check((await self.call("pods.list")).count >= 2, "pods are missing")
        await self.call("pods.delete", spare.pod_id)
        self.pod = (await self.call("pods.create", name="red")).pod_id
        name = f"{given['username']}-{self.kind}"
        for level, first in (("inboxes", []), ("pods.inboxes", [self.pod])):
            spare = await self.create_inbox(level, first, username=f"{name}-spare", metadata={"team": 7})
            self.check(spare.metadata == {"team": 7} and spare.email == spare.inbox_id, "inbox members")
            await self.call(f"{level}.get", *first, spare.inbox_id)
            self.check((await self.call(f"{level}.list", *first)).count >= 1, "inboxes are missing")
            await self.call(f"{level}.update", *first, spare.inbox_id, display_name="Ada")
            if is_built(f"{level}.search"):
                await self.call(f"{level}.search", *first, q=name)
            await self.call(f"{level}.delete", *first, spare.inbox_id)
        self.ada = (await self.create_inbox("pods.inboxes", [self.pod], username=f"{name}-ada")).inbox_id
        self.bob = (await self.create_inbox("pods.inboxes", [self.pod], username=f"{name}-bob")).inbox_id

    async def create_inbox(self, level, first, **members):
        """The organization's call takes a request object; that of the pod takes the members."""
        if level == "pods.inboxes":
            return await self.call("pods.inboxes.create", *first, **members)
        from agentmail.inboxes.types import CreateInboxRequest

        return await self.call("inboxes.create", request=CreateInboxRequest(**members))

    def levels(self, resource):
        return [(resource, []), (f"pods.{resource}", [self.pod]), (f"inboxes.{resource}", [self.ada])]

    async def mail(self):
        attachments = [{"filename": "a.txt", "content": "YQ==", "content_type": "text/plain"}]
        content = {"subject": "Report", "text": "The numbers are good.", "html": "<p>The numbers are good.</p>"}

        async def send():
            return await self.call("inboxes.messages.send", self.ada, to=[self.bob], attachments=attachments, **content)

        sent, received = await self.receive(send)
        self.check(received.message.message_id == sent.message_id, "the socket has another message")
        self.check(received.message.text == "The numbers are good.", f"text {received.message.text}")
        ada, bob, ref = self.ada, self.bob, sent.message_id
        listed = await self.call("inboxes.messages.list", bob, labels=["received", "unread"])
        self.check([message.message_id for message in listed.messages] == [ref], "the list has other messages")
        self.check(listed.messages[0].from_ == ada, f"from {listed.messages[0].from_}")
        found = await self.call("inboxes.messages.search", bob, q="numbers")
        self.check(found.messages[0].highlights.text == ["The **numbers** are good."], "highlights")
        message = await self.call("inboxes.messages.get", bob, ref)
        self.check(message.extracted_text == "The numbers are good.", f"extracted {message.extracted_text}")
        self.check(message.headers["Subject"] == "Report", "headers")
        await self.call("inboxes.messages.batch_get", bob, message_ids=[ref])
        await self.call("inboxes.messages.batch_update", bob, message_ids=[ref], add_labels=["seen"])
        await self.call("inboxes.messages.update", bob, ref, remove_labels=["unread"])
        await self.call("inboxes.messages.get_attachment", bob, ref, message.attachments[0].attachment_id)
        await self.call("inboxes.messages.get_raw", bob, ref)
        await self.call("inboxes.events.list", bob)
        reply = await self.call("inboxes.messages.reply", bob, ref, text="Thanks")
        self.check(reply.thread_id == message.thread_id, "the reply is in another thread")
        await self.call("inboxes.messages.reply_all", bob, ref, text="Thanks, all")
        await self.call("inboxes.messages.forward", bob, ref, to=["carl@example.test"])
        await self.call("inboxes.messages.delete", bob, reply.message_id)
        await self.refused("inboxes.messages.get", 404, "not_found", bob, reply.message_id)

        for resource, first in self.levels("threads"):
            listed = await self.call(f"{resource}.list", *first, labels=["sent"])
            self.check(listed.count >= 1, f"{resource}.list is empty")
            thread = await self.call(f"{resource}.get", *first, sent.thread_id)
            self.check(thread.messages[0].message_id == ref, f"{resource}.get has other messages")
            attachment = thread.messages[0].attachments[0].attachment_id
            await self.call(f"{resource}.get_attachment", *first, sent.thread_id, attachment)
            await self.call(f"{resource}.update", *first, sent.thread_id, add_labels=["walked"])
            if is_built(f"{resource}.search"):
                await self.call(f"{resource}.search", *first, q="numbers")
            other = await self.call("inboxes.messages.send", self.ada, to=["carl@example.test"], text="x")
            await self.call(f"{resource}.delete", *first, other.thread_id)

    async def receive(self, send):
        """Opens a WebSocket, sends, and returns the result with the first event for the second inbox."""
        connection = self.client.websockets.connect()
        if self.kind == "async":
            async with connection as socket:
                await socket.send_subscribe(Subscribe(inbox_ids=[self.bob], event_types=["message.received"]))
                self.check(type(await socket.recv()).__name__ == "Subscribed", "the first frame is not Subscribed")
                result = await send()
                event = await asyncio.wait_for(socket.recv(), 20)
        else:
            with connection as socket:
                socket.send_subscribe(Subscribe(inbox_ids=[self.bob], event_types=["message.received"]))
                self.check(type(socket.recv()).__name__ == "Subscribed", "the first frame is not Subscribed")
                result = await send()
                event = socket.recv()
        self.check(type(event).__name__ == "MessageReceivedEvent", f"the event is a {type(event).__name__}")
        return result, event

    async def drafts(self):
        attachments = [{"filename": "a.txt", "content": "YQ==", "content_type": "text/plain"}]
        content = {"to": [self.bob], "subject": "Plan", "text": "To do", "attachments": attachments}
        draft = await self.call("inboxes.drafts.create", self.ada, **content)
        for resource, first in self.levels("drafts"):
            listed = await self.call(f"{resource}.list", *first)
            self.check(draft.draft_id in [each.draft_id for each in listed.drafts], f"{resource}.list lacks the draft")
            whole = await self.call(f"{resource}.get", *first, draft.draft_id)
            self.check(whole.text == "To do", f"{resource}.get: {whole.text}")
            await self.call(f"{resource}.get_attachment", *first, draft.draft_id, whole.attachments[0].attachment_id)
        changed = await self.call("inboxes.drafts.update", self.ada, draft.draft_id, subject="A plan", text=None)
        self.check(changed.subject == "A plan" and changed.text is None, "null clears")
        await self.call("inboxes.drafts.send", self.ada, draft.draft_id)
        spare = await self.call("inboxes.drafts.create", self.ada)
        await self.call("inboxes.drafts.delete", self.ada, spare.draft_id)

    async def domains(self):
        for resource, first in (("domains", []), ("pods.domains", [self.pod])):
            domain = f"{resource.replace('.', '-')}.{given['username']}-{self.kind}.test"
            made = await self.call(f"{resource}.create", *first, domain=domain, feedback_enabled=True)
            self.check(made.status == "NOT_STARTED", f"{resource}.create: {made.status}")
            listed = await self.call(f"{resource}.list", *first)
            self.check(domain in [each.domain_id for each in listed.domains], f"{resource}.list lacks the domain")
            zone = b"".join(await self.call(f"{resource}.get_zone_file", *first, domain))
            self.check(domain.encode() in zone, f"{resource}.get_zone_file: {zone}")
            records = [{"name": each.name, "type": each.type, "value": each.value} for each in made.records]
            httpx.post(given["publish"], json=records).raise_for_status()
            await self.call(f"{resource}.verify", *first, domain)
            verified = await self.call(f"{resource}.get", *first, domain)
            self.check(verified.status == "VERIFIED", f"{resource}.get: {verified.status} {verified.records}")
            inbox = await self.create_inbox("pods.inboxes", [self.pod], username="eve", domain=domain)

            async def send():
                return await self.call("inboxes.messages.send", inbox.inbox_id, to=[self.bob], text="from a domain")

            _, event = await self.receive(send)
            self.check(event.message.from_ == f"eve@{domain}", f"from {event.message.from_}")
            changed = await self.call(f"{resource}.update", *first, domain, subdomains_enabled=True)
            self.check(changed.subdomains_enabled, f"{resource}.update")
            if resource == "domains":
                await self.call("domains.get_setup_link", domain)
            await self.call(f"{resource}.delete", *first, domain)

    async def settings(self):
        for resource, first in self.levels("webhooks"):
            made = await self.call(f"{resource}.create", *first, url="https://example.com/", event_types=["message.sent"])
            await self.call(f"{resource}.get", *first, made.webhook_id)
            self.check((await self.call(f"{resource}.list", *first)).count >= 1, f"{resource}.list is empty")
            await self.call(f"{resource}.update_headers", *first, made.webhook_id, headers={"X-Team": "red"})
            headers = await self.call(f"{resource}.get_headers", *first, made.webhook_id)
            self.check(headers.header_names == ["X-Team"], f"headers {headers.header_names}")
            await self.call(f"{resource}.update", *first, made.webhook_id, event_types=["message.received"])
            await self.call(f"{resource}.delete", *first, made.webhook_id)
        for resource, first in self.levels("lists"):
            entry = f"{self.kind}-{given['username']}@example.test"
            await self.call(f"{resource}.create", *first, "receive", "block", entry=entry, reason="a test")
            await self.call(f"{resource}.get", *first, "receive", "block", entry)
            self.check((await self.call(f"{resource}.list", *first, "receive", "block")).count >= 1, f"{resource}.list")
            await self.call(f"{resource}.delete", *first, "receive", "block", entry)
        for resource, first in self.levels("api_keys"):
            from agentmail.api_keys.types import CreateBearerApiKeyRequest

            request = CreateBearerApiKeyRequest(name="robot", permissions={"message_read": True})
            made = await self.call(f"{resource}.create", *first, request=request)
            if resource == "api_keys":
                await self.call("api_keys.get", made.api_key_id)
            self.check((await self.call(f"{resource}.list", *first)).api_keys, f"{resource}.list is empty")
            changed = await self.call(f"{resource}.update", *first, made.api_key_id, name="renamed")
            self.check(changed.name == "renamed" and changed.permissions.message_read, f"{resource}.update")
            await self.call(f"{resource}.delete", *first, made.api_key_id)
        for resource, first in self.levels("metrics"):
            for query in ("query_events", "query_usage", "query_rates"):
                if f"{resource}.{query}" in operations:
                    await self.call(f"{resource}.{query}", *first, period=3600)

    async def agents(self):
        """An agent signs up, and enters the code that its human gets."""
        request = {"username": f"{given['username']}-{self.kind}-agent"}
        owner = self.client
        if is_built("agent.attach_human"):
            made = await self.call("agent.sign_up", **request)
            self.client = self.connect(made.api_key)
            attached = await self.call("agent.attach_human", human_email=self.bob)
            self.check(attached.human_email == self.bob and attached.instructions, "agent.attach_human")
        else:
            made = await self.call("agent.sign_up", **request, human_email=self.bob)
            self.client = self.connect(made.api_key)
        agent, self.client = self.client, owner
        subjects = []
        for _ in range(100):  # the code arrives after the response
            messages = (await self.call("inboxes.messages.list", self.bob)).messages
            subjects = [each.subject for each in messages if each.subject and "is the code" in each.subject]
            if subjects:
                break
            await asyncio.sleep(0.05)
        self.client = agent
        self.check((await self.call("agent.verify", otp_code=subjects[0][:6])).verified, "agent.verify")
        self.client = owner

    async def without_objects(self):
        """Lists that are empty, objects that do not exist, and what is not built."""
        for name, operation in operations.items():
            state = operation["state"]
            if state == "built" or name in self.called:
                continue
            args, kwargs = self.sample_arguments(name, operation["path"])
            if state == "empty":
                self.check((await self.call(name, *args, **kwargs)).count == 0, f"{name} is not empty")
            elif state == "missing":
                await self.refused(name, 404, "not_found", *args, **kwargs)
            elif state == "labs":
                await self.refused(name, 403, "forbidden", *args, **kwargs)
            else:
                await self.refused(name, 403, "not_implemented", *args, **kwargs)

    def sample_arguments(self, name, path):
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        values = {"inbox_id": self.ada, "pod_id": self.pod}
        args = [values.get(part[1:-1], "none") for part in path.split("/") if part.startswith("{")]
        required = [
            parameter.name
            for parameter in inspect.signature(method).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
        ]
        return args, {each: samples.get(each, "x") for each in required}


samples = {
    "feedback_enabled": False,
    "event_types": ["message.received"],
    "size": 1,
    "feedback": "correct_review",
    "status": "accepted",
    "auth_token": "Zk3vT9qLw4ePzR31aBcD-x",
}


def is_built(name):
    return name in operations and operations[name]["state"] == "built"


async def run_all():
    called = 0
    for kind in ("sync", "async"):
        options = {"environment": environment}
        run = Run(None, kind)
        if kind == "sync":
            transport = httpx.Client(event_hooks={"request": [run.record]}, timeout=30)
            run.connect = lambda key: AgentMail(httpx_client=transport, api_key=key, **options)
        else:

            async def record(request):
                run.record(request)

            transport = httpx.AsyncClient(event_hooks={"request": [record]}, timeout=30)
            run.connect = lambda key: AsyncAgentMail(httpx_client=transport, api_key=key, **options)
        run.client = run.connect(given["key"])
        await run.everything()
        called += len(run.called)
    return called


called = asyncio.run(run_all())
print(json.dumps({"version": importlib.metadata.version("agentmail"), "called": called, "problems": problems}))
