"""prompt-cache-warmer keeps the prompt caches of Claude agents warm.

The layers, top to bottom (import-linter enforces them, see pyproject.toml):
``cli`` and ``app`` -> ``wiring`` -> ``adapters``, ``settings`` -> ``warm`` -> ``ports`` ->
``rules`` -> ``values`` -> ``errors``.
"""
