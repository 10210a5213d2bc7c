"""Validators, annotations turned into validators, table declarations, schema differences."""
