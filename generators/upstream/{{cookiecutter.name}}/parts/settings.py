{%- set u = cookiecutter | upstream -%}
class {{ u.type }}Settings(UpstreamSettings):
    base_url: HttpUrl = HttpUrl("{{ u.url }}")
{%- if u.given %}
    """The base URL of the {{ u.words }} API."""
{%- else %}
    """The base URL of the {{ u.words }} API. Set it: this placeholder never resolves."""
{%- endif %}
