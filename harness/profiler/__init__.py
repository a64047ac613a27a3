"""What a model costs: FLOPs, memory and time, with the conventions by which each number was made."""
