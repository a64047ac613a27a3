"""The LLaVA family: one model with a pluggable visual token reducer."""
