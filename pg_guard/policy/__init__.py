"""From policy files to a checked policy. In: YAML and overlays. Out: a `model.Policy` and its program of checks."""
