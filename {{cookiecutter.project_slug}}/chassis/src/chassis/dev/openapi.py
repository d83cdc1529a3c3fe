"""`make openapi`: the OpenAPI document of the project in the current folder, as JSON on standard output.

It needs no database. A setting without a default has the value that `.env.example` gives.
"""

import json
import os
import sys
from contextlib import redirect_stdout

from chassis.dev.project import examples, loaded, names


def main() -> None:
    os.environ.setdefault("APP_DATABASE__URL", "postgresql://nobody@localhost/none")
    os.environ.setdefault("APP_ENVIRONMENT", "development")
    for name, value in examples():
        os.environ.setdefault(name, value)
    with redirect_stdout(sys.stderr):  # For what the application logs.
        document = loaded(names().application)().openapi()
    print(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
