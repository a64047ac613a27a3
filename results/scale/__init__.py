"""What all benchmarks cost on one GPU and on many, computed from closed forms and stated assumptions."""
