"""The library: what an application uses inside its own process, as thin faces of the engine.

Nothing here renders a prefix, reads ``usage``, prices a token or decides by itself: that is the engine's.
The public names are those of the package ``prompt_cache_warmer``, which loads each when it is first used.
"""
