"""What `gunicorn` runs. Every value that differs between places is a setting: see chassis/docs/operations.md."""

import gc

gc.disable()  # What the imports make stays: to look for garbage in it is a good part of the start.

from chassis import logs
from chassis.server import configuration

import app.main  # noqa: F401 - Imported once here: the workers share its memory, and a replacement starts at once.
from app.settings import Settings

settings = Settings.load()
logs.configure(settings.log)
globals().update(configuration(settings.server, settings.log))
wsgi_app = "app.main:create_app()"

gc.enable()
