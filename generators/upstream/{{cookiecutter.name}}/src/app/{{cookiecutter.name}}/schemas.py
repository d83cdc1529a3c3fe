{%- set u = cookiecutter | upstream -%}
from uuid import UUID

from pydantic import BaseModel


class {{ u.one_type }}(BaseModel):
    """What this service needs of an answer; what else the answer has is left out."""

    id: UUID
