"""The table of verbs: name -> module and summary. Modules are imported when their verb runs, never before."""

from __future__ import annotations

Table = dict[str, tuple[str, str]]

COMPOSE: Table = {
    "attach": ("attach", "Attach local standard input, output, and error streams to a service's running container"),
    "build": ("build", "Build or rebuild services"),
    "commit": ("commit", "Create a new image from a service container's changes"),
    "config": ("config", "Parse, resolve and render Compose files in canonical format"),
    "conformance": ("conformance", "Show which Compose keys are supported"),
    "cp": ("cp", "Copy files/folders between a service container and the local filesystem"),
    "create": ("create", "Create containers for a service"),
    "debug": (
        "debug",
        "Open a shell with another image's tools inside a service's container, or on its files once it ended",
    ),
    "deploy": ("deploy", "Put the project on a cluster: Docker Swarm or Kubernetes"),
    "down": ("down", "Stop and remove containers, networks"),
    "env": ("env", "Print the addresses of services as environment variables"),
    "events": ("events", "Receive real time events from containers"),
    "exec": ("exec", "Execute a command in a running container"),
    "explain": ("explain", "Show where a value of the configuration comes from"),
    "export": ("export", "Export a service container's filesystem as a tar archive"),
    "graph": ("graph", "Draw services, networks and volumes with their live state"),
    "images": ("images", "List images used by the created containers"),
    "kill": ("kill", "Force stop service containers"),
    "logs": ("logs", "View output from containers"),
    "ls": ("ls", "List running Compose projects"),
    "lsp": ("lsp", "Run a language server for Compose files"),
    "pause": ("pause", "Pause services"),
    "plan": ("plan", "Show what up would do and why (exit code 0: nothing, 2: changes)"),
    "port": ("port", "Print the public port for a port binding"),
    "ps": ("ps", "List containers"),
    "publish": ("publish", "Publish the Compose files to a registry, as an OCI artifact"),
    "pull": ("pull", "Pull service images"),
    "push": ("push", "Push service images"),
    "restart": ("restart", "Restart service containers"),
    "rm": ("rm", "Remove stopped service containers"),
    "run": ("run", "Run a one-off command on a service"),
    "scale": ("scale", "Scale services"),
    "start": ("start", "Start services"),
    "stats": ("stats", "Display a live stream of container(s) resource usage statistics"),
    "stop": ("stop", "Stop services"),
    "test": ("test", "Run a command against a temporary stack"),
    "top": ("top", "Display the running processes"),
    "tui": ("tui", "Open a view in the terminal that shows, live, everything that runs"),
    "ui": ("ui", "Open a page in the browser that shows, live, everything that runs"),
    "unpause": ("unpause", "Unpause services"),
    "up": ("up", "Create and start containers"),
    "version": ("version", "Show the version information"),
    "volumes": ("volumes", "List volumes"),
    "wait": ("wait", "Block until containers of all (or specified) services stop"),
    "why": ("why", "Explain the state of services: what they wait for, the first error, what changed, the fix"),
    "watch": ("watch", "Watch build context for service and rebuild/refresh containers when files are updated"),
}

PLAIN: Table = {
    "completion": ("completion", "Print the completion script for a shell (bash, zsh, fish)"),
    "docs": ("docs", "Open the documentation of this version in the browser"),
    "import": ("import_", "Bring images, volumes, networks and containers over from Docker's or podman's engine"),
    "login": ("login", "Log in to a registry"),
    "logout": ("logout", "Log out from a registry"),
    "search": ("search", "Search Docker Hub for images"),
    "unshare": ("unshare", "Run a command as root of the user namespace of your own engine"),
}
"""Verbs without a noun that need no project: those of the docker CLI, podman's unshare, and ours."""

GROUPS: dict[str, tuple[str, Table]] = {
    "alpha": (
        "Experimental commands of Docker Compose",
        {
            "publish": ("publish", "Publish the Compose files to a registry, as an OCI artifact"),
            "viz": ("viz", "Generate a graphviz graph from your Compose file"),
        },
    ),
    "builder": (
        "Manage builds",
        {
            "build": ("build", "Build an image from a Dockerfile"),
            "prune": ("prune", "Remove build cache"),
        },
    ),
    "container": (
        "Manage containers",
        {
            "attach": ("attach", "Attach to a running container"),
            "commit": ("commit", "Create a new image from a container's changes"),
            "cp": ("cp", "Copy files between a container and the local filesystem"),
            "create": ("create", "Create a new container"),
            "diff": ("diff", "Inspect changes to files or directories on a container's filesystem"),
            "exec": ("exec", "Execute a command in a running container"),
            "export": ("export", "Export a container's filesystem as a tar archive"),
            "inspect": ("inspect", "Display detailed information on one or more containers"),
            "kill": ("kill", "Kill one or more running containers"),
            "logs": ("logs", "Fetch the logs of a container"),
            "ls": ("ls", "List containers"),
            "pause": ("pause", "Pause all processes within one or more containers"),
            "port": ("port", "List port mappings or a specific mapping for the container"),
            "prune": ("prune", "Remove all stopped containers"),
            "rename": ("rename", "Rename a container"),
            "restart": ("restart", "Restart one or more containers"),
            "rm": ("rm", "Remove one or more containers"),
            "run": ("run", "Create and run a new container from an image"),
            "start": ("start", "Start one or more stopped containers"),
            "stats": ("stats", "Display a live stream of container(s) resource usage statistics"),
            "stop": ("stop", "Stop one or more running containers"),
            "top": ("top", "Display the running processes of a container"),
            "unpause": ("unpause", "Unpause all processes within one or more containers"),
            "update": ("update", "Update configuration of one or more containers"),
            "wait": ("wait", "Block until one or more containers stop, then print their exit codes"),
        },
    ),
    "engine": (
        "Manage the engine",
        {
            "check": ("check", "Show what protects this host from its containers, what does not, and what to do"),
            "install": (
                "install",
                "Have the engine start with the machine and when its socket is used (systemd units)",
            ),
            "logs": ("logs", "Show what the engine has logged of itself"),
            "migrate": ("migrate", "Change how an ordinary user's ids are mapped: one, or a range"),
            "restart": ("restart", "Restart the engine, for example after an upgrade; containers run on"),
            "run": ("run", "Run the engine in the foreground"),
            "status": ("status", "Show the engine's version, sockets, processes and containers"),
            "stop": ("stop", "Stop the engine"),
            "uninstall": ("uninstall", "Undo what engine install has done; containers, images and volumes stay"),
        },
    ),
    "image": (
        "Manage images",
        {
            "bootstrap": (
                "bootstrap",
                "Build debian:VERSION, debian:VERSION-slim or ubuntu:VERSION from the distribution's signed archive",
            ),
            "build": ("build", "Build an image from a Dockerfile"),
            "history": ("history", "Show the history of an image"),
            "import": ("import_", "Import the contents from a tarball to create a filesystem image"),
            "inspect": ("inspect", "Display detailed information on one or more images"),
            "load": ("load", "Load an image from a tar archive or STDIN"),
            "ls": ("ls", "List images"),
            "prune": ("prune", "Remove unused images"),
            "pull": ("pull", "Download an image from a registry"),
            "push": ("push", "Upload an image to a registry"),
            "rm": ("rm", "Remove one or more images"),
            "save": ("save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
            "tag": ("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
        },
    ),
    "lease": (
        "Manage leases: tie a stack's lifetime to a process or timeout",
        {
            "create": ("create", "Bind a project to an owner, before or after it is up"),
            "end": ("end", "End leases and take their stacks away"),
            "hand-over": ("hand_over", "Give a lease to another owner"),
            "ls": ("ls", "List leases"),
            "release": ("release", "End leases and leave their stacks"),
            "renew": ("renew", "Extend a ttl lease"),
        },
    ),
    "network": (
        "Manage networks",
        {
            "connect": ("connect", "Connect a container to a network"),
            "create": ("create", "Create a network"),
            "disconnect": ("disconnect", "Disconnect a container from a network"),
            "inspect": ("inspect", "Display detailed information on one or more networks"),
            "ls": ("ls", "List networks"),
            "prune": ("prune", "Remove all unused networks"),
            "rm": ("rm", "Remove one or more networks"),
        },
    ),
    "jobs": (
        "Manage the project's jobs",
        {
            "cancel": ("cancel", "Stop the run in progress"),
            "history": ("history", "List the runs of a job"),
            "logs": ("logs", "View output of a run"),
            "ls": ("ls", "List jobs with their trigger, state and last run"),
            "pause": ("pause", "Stop jobs from firing on their schedule"),
            "resume": ("resume", "Let paused jobs fire again"),
            "trigger": ("trigger", "Start a run now and return its exit code"),
        },
    ),
    "snapshot": (
        "Manage snapshots of a stack's volumes",
        {
            "ls": ("ls", "List snapshots of the project's volumes"),
            "pull": ("pull", "Fetch a snapshot from a registry"),
            "push": ("push", "Send a snapshot to a registry"),
            "restore": ("restore", "Bring the project's volumes back to a snapshot"),
            "rm": ("rm", "Remove snapshots"),
            "save": ("save", "Save the project's volumes"),
        },
    ),
    "system": (
        "Manage the whole engine: disk space, events, information",
        {
            "df": ("df", "Show disk usage"),
            "events": ("events", "Get real time events from the server"),
            "info": ("info", "Display system-wide information"),
            "prune": ("prune", "Remove unused data"),
        },
    ),
    "volume": (
        "Manage volumes",
        {
            "clone": ("clone", "Copy a volume to a new one"),
            "create": ("create", "Create a volume"),
            "du": ("du", "Show what volumes take on the disk"),
            "export": ("export", "Write a volume to a tar archive"),
            "import": ("import_", "Fill a volume from a tar archive"),
            "inspect": ("inspect", "Display detailed information on one or more volumes"),
            "ls": ("ls", "List volumes"),
            "prune": ("prune", "Remove unused local volumes"),
            "rm": ("rm", "Remove one or more volumes"),
        },
    ),
}

_SHOWS = (
    "attach build commit cp create deploy down exec export kill pause publish pull push restart rm run scale start stop unpause"
    " up import"
)
_ONLY_READS = "diff df du events export history info inspect logs ls port publish stats status top viz wait"

_GROUPS_SHOW = {
    "alpha": "publish",
    "engine": "install uninstall",
    "jobs": "cancel pause resume trigger",
    "lease": "end release",
    "snapshot": "push restore rm save",
    "system": "prune",
}

DRY_RUN = frozenset(
    (*_SHOWS.split(), *(f"{group} {name}" for group, names in _GROUPS_SHOW.items() for name in names.split()))
)
"""Verbs that show with --dry-run what they would do."""

CHANGING = frozenset(
    (
        *("debug", "test", "watch", "login", "logout", "image save"),
        *(
            f"{group} {name}"
            for group, (_, table) in GROUPS.items()
            for name in table
            if name not in _ONLY_READS.split() and f"{group} {name}" not in DRY_RUN
        ),
    )
)
"""Verbs that change something and cannot show it before: --dry-run is refused. With all others it has no effect."""

ALIASES = {"list": "ls", "ps": "ls", "remove": "rm", "convert": "config"}

CLUSTER = frozenset(
    {"down", "events", "exec", "graph", "logs", "plan", "port", "ps", "restart", "run", "scale", "top", "wait"}
)
"""Verbs that take ``--to`` as well: then they are carried out on a cluster, by the module of the same name in ``cluster/``."""
