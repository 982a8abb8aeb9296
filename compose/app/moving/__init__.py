"""Images, volumes, networks and containers of one engine brought to another, for `import docker` and its way back.

Both sides are spoken to by the Docker Engine API. What is brought is compared with what was there; the source stays as it is.
Every object is whole at the target or not there at all, so a run that was cut off is finished by running it again.
"""
