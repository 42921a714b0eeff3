"""The outside world behind small Protocols."""
