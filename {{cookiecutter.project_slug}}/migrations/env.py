"""What Alembic runs. How migrations are applied is the chassis's: chassis/src/chassis/migrations.py."""

from chassis import migrations

from app import main

del main  # Imported for the tables that the features register with `Base`.

migrations.run()
