"""Measures of what was heard against what was there: pure functions of arrays, no torch."""
