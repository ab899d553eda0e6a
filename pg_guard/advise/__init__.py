"""Advice about a live database. In: a catalog and what surrounds it. Out: a starter policy, or an audit of a policy."""
