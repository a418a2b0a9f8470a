"""Warmers and their schedules, over the caller's own client."""
