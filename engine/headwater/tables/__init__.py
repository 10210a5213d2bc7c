"""Projections: the catalog, commits applied to tables and indexes, snapshots, rebuild, verify."""
