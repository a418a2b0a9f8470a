"""Rules: what to send, what to decide, what it proved, what to count. Pure functions over values."""
