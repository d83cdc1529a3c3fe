{%- set u = cookiecutter | upstream -%}
from uuid import UUID

from pydantic import BaseModel


class {{ u.one_type }}(BaseModel):
    """The fields that this service needs. All others of the response are ignored."""

    id: UUID
