"""`pycompose alpha …`: Docker Compose's experimental commands."""
