"""The fault campaign: random faults against the real handler, and a model that knows the truth."""
