"""CacheObserver: what the application's own requests do to the targets' entries."""
