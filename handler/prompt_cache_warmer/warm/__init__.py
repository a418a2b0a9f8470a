"""The use case: load the targets, decide, call what is due, prove it from usage, record it."""
