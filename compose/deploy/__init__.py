"""Putting a project on a cluster: Docker Swarm or Kubernetes.

Each target is a package with the same parts: ``convert`` (a project as objects of the target, pure), ``observe`` (what is there),
``perform`` (one operation on one object) and ``state`` (how far a service is). What both share is here: the plan, the run, images.
"""
