"""`pycompose ui`: a page on loopback over the store. Starlette and uvicorn serve it; see docs/screens.md for why these.

guard (who may ask) → app (the routes) → live, logs, console (WebSockets), details (requests). views is pure.
"""
