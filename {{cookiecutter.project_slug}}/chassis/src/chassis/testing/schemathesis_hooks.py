"""Facts that schemathesis needs and the OpenAPI document cannot express."""

from typing import Any
from uuid import UUID, uuid4

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure

KEY = "Idempotency-Key"
REJECTED = "ST202"  # As `st explain ST202` says it: a request that the document allows.


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Give each request an Idempotency-Key of its own: schemathesis repeats a few that it draws, with other bodies."""
    del context, kwargs
    headers: Any = case.headers or {}
    try:
        UUID(headers.get(KEY, ""))
    except ValueError:
        return  # None, or an invalid one.
    headers[KEY] = str(uuid4())


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Let a reference that was drawn lead to nothing: no schema could have said so."""
    del context, case
    return failure.code != REJECTED or "-refers-to-nothing" not in response.text
