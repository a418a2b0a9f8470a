"""Values: what targets, prefixes, usage, prices and limits are. Pure; no clock, no I/O, no environment."""
