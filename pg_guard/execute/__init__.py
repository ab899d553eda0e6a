"""Execution of what the guard allowed. In: a statement's text. Out: rows as lossless JSON, capped and timed."""
