"""Subscriptions and the query cache."""
