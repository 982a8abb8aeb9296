"""Docker Swarm as a target: the Engine API of a manager, spoken by compose/client."""
