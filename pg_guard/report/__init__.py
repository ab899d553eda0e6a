"""Decisions as people and programs read them. In: a `Decision` or findings in a file. Out: text or JSON."""
