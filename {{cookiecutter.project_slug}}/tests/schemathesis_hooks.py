"""Give each request an Idempotency-Key of its own: schemathesis repeats a few that it draws, with other bodies."""

from typing import Any
from uuid import UUID, uuid4

import schemathesis
from schemathesis import Case, HookContext

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    del context, kwargs
    headers: Any = case.headers or {}
    try:
        UUID(headers.get(KEY, ""))
    except ValueError:
        return  # None, or one that is to be refused.
    headers[KEY] = str(uuid4())
