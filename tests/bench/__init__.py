"""Benchmarks: ratios within one run, written to Markdown beside this file. ``make bench`` runs them."""
