"""From the canonical model to Engine API request bodies. Pure: values in, JSON-ready values out; no engine, no files.

`container` builds the body of POST /containers/create, one table or small function per group of attributes; `network`
and `volume` do the same for theirs. What an attribute means is decided here and nowhere else. Nothing is imported here:
an `up` with nothing to create does not pay for the bodies.
"""
