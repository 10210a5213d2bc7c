"""Values and their order, order-preserving keys, ids, intervals and index definitions.

Floor 1: pure, without input or output, and ignorant of the engine above it. From the ground up:
``errors``, ``values``, ``keys`` and ``intervals``, ``ids`` and ``interval_map``, ``definition``,
``scan``. Import from the defining module.
"""
