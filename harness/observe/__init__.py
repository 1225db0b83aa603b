"""Observation: expensive, versioned, and ignorant of every rule."""
