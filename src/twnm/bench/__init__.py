"""Measuring systems: scenes that no training saw, controls that take the spatial sound away, intervals beside every figure."""
