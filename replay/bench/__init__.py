"""Benchmark: the upstream alone, bare mitmdump and floway in one run, interleaved, on loopback.

``scripts/bench`` starts :mod:`replay.bench.cli`. The load generator (:mod:`replay.bench.load`),
the upstream (:mod:`replay.bench.upstream`) and every proxy are processes of their own; the runner
only tells them whose turn it is and reads the clocks.
"""
