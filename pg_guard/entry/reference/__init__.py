"""The part of the reference that is written from the code. In: models, commands, rules. Out: Markdown pages.

``python -m pg_guard.entry.reference docs/reference`` (``make reference``) writes the pages; a test keeps them current.
"""
