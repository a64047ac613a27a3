"""Scoring rules that several benchmarks share: text normalisers, option letters, statistics."""
