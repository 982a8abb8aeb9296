"""Verbs on a cluster: what ``--to`` leads to. Each takes the arguments of the verb of the same name one folder up."""
