"""What the world sees of a database: an application of ASGI."""
