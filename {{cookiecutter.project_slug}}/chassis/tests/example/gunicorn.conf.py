import gc

gc.disable()

import example.main  # noqa: F401 - Imported once, for all workers.
from chassis import logs
from chassis.server import configuration
from example.settings import Settings

settings = Settings.load()
logs.configure(settings.log)
globals().update(configuration(settings.server, settings.log))

gc.enable()
