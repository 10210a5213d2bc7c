"""Bytes: the LMDB environment, the on-disk format, the commit log."""
