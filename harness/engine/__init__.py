"""Plan, execute, remember, aggregate: from a configuration to a finished run folder."""
