{%- set u = cookiecutter | upstream -%}
from chassis.errors import ServiceError


class {{ u.one_type }}Unavailable(ServiceError):
    status = 422
    slug = "{{ u.one_slug }}-unavailable"
    title = "There is no such {{ u.one_words }}"
