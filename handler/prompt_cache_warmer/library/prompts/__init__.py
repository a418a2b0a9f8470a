"""Prompts as the cache sees them: markers, prefixes, keys."""
