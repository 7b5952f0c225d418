"""Experiments against running clusters: load, faults, observations, and what they come to."""
