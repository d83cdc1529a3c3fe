{%- set u = cookiecutter | upstream -%}
class {{ u.type }}Settings(UpstreamSettings):
    base_url: HttpUrl = HttpUrl("{{ u.url }}")
{%- if u.given %}
    """Where the {{ u.words }} API is."""
{%- else %}
    """Where the {{ u.words }} API is. Nobody has this name, and calls fail until the environment says another."""
{%- endif %}
