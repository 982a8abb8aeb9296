"""develop.watch: from changed files to actions on services. `rules` decides, `inotify` notices, `actions` acts."""
