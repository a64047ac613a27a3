"""A model and a benchmark of one's own, as an example: a package that run-eval finds once it is installed."""
