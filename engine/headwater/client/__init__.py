"""Calling a served database from another process or machine, with the verbs of an embedded one."""
