"""The texts that both halves read: one grammar a module, pure, standard library only, imported by name.

    ages         3 minutes, About an hour     durations    1h30m, 1.5s        git          remote#ref:directory
    ignore       .dockerignore                ports        8080:80/udp        references   registry/name:tag@digest
    restart      on-failure:3                 signals      SIGTERM, RTMIN+3   sizes        512m, 1.5GiB
    sysctls      net.core.somaxconn           booleans     true, f, 1         wildcards    what ignore matches with

Each function takes text and gives a plain value, or raises ValueError with Docker's message; the caller knows which error of
its own that becomes. Nothing here touches files, and nothing here imports `pycompose.compose` or `pycompose.engine`. The classes
are named tuples and plain classes, since importing `dataclasses` would cost each command and the keeper milliseconds.
"""
