"""What the caller hears: one flow, and the lines that perform it."""
