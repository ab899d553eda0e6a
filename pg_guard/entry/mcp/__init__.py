"""The guard as tools of a Model Context Protocol server. In: tool calls. Out: rows, or findings that help to repair."""
