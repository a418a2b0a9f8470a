"""What real calls read from the cache and wrote to it, recorded in the process that makes them."""
