"""Checks of schemathesis for what the API description of Martlet promises (../schemathesis.test.ts).

A request that matches the description and is refused must have a reason in it: a status that says nothing about the form
of the request (a key, an object that does not exist, a limit of rate), a `code` that the response lists, or, for
`validation_error`, a rule that the response lists. It replaces `positive_data_acceptance`, which knows statuses only.
"""

import re

import schemathesis

# Generated ids name no object, and generated bodies can be large.
ABOUT_OTHER_THINGS = {401, 404, 413, 429, 431, 503}


@schemathesis.hook
def filter_case(ctx, case) -> bool:
    # Otherwise each of thousands of polls and streams would stay open.
    return "wait_seconds" not in (case.query or {})


@schemathesis.check
def refusal_has_a_documented_reason(ctx, response, case) -> None:
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    if response.status_code < 400 or response.status_code in ABOUT_OTHER_THINGS:
        return
    body = response.json()
    documented = resolve(case.operation, str(response.status_code))
    codes = documented.get("x-martlet-codes", [])
    if body["code"] in codes and body["code"] != "validation_error":
        return
    if any(matches(rule, body["message"]) for rule in documented.get("x-martlet-rules", [])):
        return
    raise AssertionError(f"{response.status_code} {body['code']} is no documented refusal: {body['message']}")


def resolve(operation, status: str) -> dict:
    definition = operation.definition.raw["responses"].get(status, {})
    name = definition.get("$ref", "").rsplit("/", 1)[-1]
    return operation.schema.raw_schema["components"]["responses"][name] if name else definition


def matches(rule: str, message: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in rule.split("…"))
    return re.fullmatch(pattern, message, re.DOTALL) is not None
