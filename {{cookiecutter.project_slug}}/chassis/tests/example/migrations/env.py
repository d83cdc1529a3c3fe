from chassis import migrations
from example import main

del main  # Imported for the tables that features register with `Base`.

migrations.run()
