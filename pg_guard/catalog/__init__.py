"""The database as the guard knows it. In: a live database or a snapshot. Out: an immutable `Catalog`."""
