"""`pycompose tui`: the store as a view in the terminal (Textual), by keyboard alone."""
