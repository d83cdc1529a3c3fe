{%- set r = cookiecutter | resource -%}
from chassis.errors import ServiceError


class {{ r.type }}NotFound(ServiceError):
    status = 404
    slug = "{{ r.slug }}-not-found"
    title = "There is no such {{ r.words }}"
{% if r.uniques %}

class {{ r.type }}Exists(ServiceError):
    status = 409
    slug = "{{ r.slug }}-exists"
    title = "{{ r.one | capitalize }} with this value exists"
{% endif %}
{%- if r.references %}

class {{ r.type }}RefersToNothing(ServiceError):
    status = 422
    slug = "{{ r.slug }}-refers-to-nothing"
    title = "What the {{ r.words }} refers to is not there"
{% endif %}
