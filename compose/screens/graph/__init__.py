"""Services as boxes by level and dependencies as lines between them: layout is pure geometry, svg writes it down."""
