"""Pure rules of the programme: standard library only, time is always an argument."""
