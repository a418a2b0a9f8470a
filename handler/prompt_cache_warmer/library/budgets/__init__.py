"""Caps on single calls, and pools that many calls share."""
