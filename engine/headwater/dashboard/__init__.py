"""The dashboard: a page for administrators, and the API that it asks."""
