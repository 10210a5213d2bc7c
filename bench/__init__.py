"""Benchmarks: Headwater beside its peers, on the same documents, in the same run."""
