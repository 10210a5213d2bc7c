"""Read sets, write sets over a snapshot, queries, and the committer."""
