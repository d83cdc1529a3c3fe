"""`make openapi`: the OpenAPI document of the code in the current folder, as JSON on standard output.

It runs by itself too, on any version of this service: `make check-api` runs it in a checkout of an older one.
"""

import json
import os
import sys
from contextlib import redirect_stdout

# The document needs no database, and the settings want the URL of one.
os.environ.setdefault("APP_DATABASE__URL", "postgresql://nobody@localhost/none")
os.environ.setdefault("APP_ENVIRONMENT", "development")


def main() -> None:
    from app.main import create_app  # noqa: PLC0415 - The app of the environment that this runs in.

    with redirect_stdout(sys.stderr):  # For what the application logs.
        document = create_app().openapi()
    print(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
