"""What the files of this template say of a resource: `{% set r = cookiecutter | resource %}`.

It runs on the Python of the user's cookiecutter, with what cookiecutter needs and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension

from generator.resource import Resource, resource


class Resources(Extension):
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["resource"] = of_answers


def of_answers(answers: Mapping[str, Any]) -> Resource:
    return resource(answers["name"], answers["fields"], answers["plural"], answers.get("_features") or {})
