"""The replay: what each rule would have cost on recorded arrivals, beside one that knew the future. Pure, no I/O.

Times are whole microseconds and money is whole pico-USD inside the loops, so that a million arrivals
take seconds and sums are exact. A request that starts at the very moment of a lapse is a hit; a
tick at the moment of a request finds the entry just touched. Every cost is the prefix's alone: a miss
writes it (or pays it as plain input where nothing is cached), a hit or a refresh reads it, and what
it has grown by since the last request is written. A cold start costs its value on top, for every
rule and for the clairvoyant alike.
"""
