"""What the programme does, one verb per function: session, ports and `now` come in."""
