"""Kubernetes as a target. What is here but client.py, logs.py and attach.py is plain values, and needs no library."""
