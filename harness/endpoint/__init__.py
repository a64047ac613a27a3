"""OpenAI-compatible servers: how they are reached, asked again, and paid. Judges and models go through here."""
