"""Values and their order, order-preserving keys, ids, intervals and index definitions."""
