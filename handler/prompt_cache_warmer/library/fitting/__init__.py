"""Messages fitted into a budget of tokens, without a cut in the cached prefix."""
