"""The answers of `make upstream` as the settings of this service take them; its own Python runs this."""

import sys

from chassis.settings import EnvironmentSettings
from pydantic import HttpUrl, TypeAdapter, ValidationError

name, url = sys.argv[1:]
if name in dir(EnvironmentSettings) or name.startswith("model_"):
    sys.exit(f"the name {name!r}: settings have this attribute already; for example {name}_api")
try:
    print(TypeAdapter(HttpUrl).validate_python(url) if url else "")
except ValidationError as error:
    sys.exit(f"the url {url!r}: {error.errors()[0]['msg']}; for example https://payments.example/v2/")
