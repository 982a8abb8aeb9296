"""The OCI distribution protocol (and Docker Registry HTTP API V2): pull, push, credentials."""
