"""What Alembic runs. How migrations are applied is the chassis's: chassis/src/chassis/migrations.py."""

from app import main
from chassis import migrations

del main  # Imported for the tables that the features register with `Base`.

migrations.run()
