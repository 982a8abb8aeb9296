"""Pictures of what runs: one store of state (store/), the graph's layout (graph/), a page (web/), a terminal view (terminal/)."""
