"""Random calls of the Engine API, made on two engines at once, and what differs between their answers."""
