"""What one client connection may do: protocols that limit each of its phases, from the handshake to the close.

chassis/docs/security.md has the table of the phases, their limits and their settings.
"""

from chassis.connections._settings import ConnectionSettings, available_connections

__all__ = ["ConnectionSettings", "available_connections"]
