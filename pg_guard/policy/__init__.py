"""From policy files to a checked policy. In: YAML, overlays. Out: `model.Policy`, and its program of checks (`compile`)."""
