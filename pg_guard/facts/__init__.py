"""What a statement touches, resolved on the catalog as PostgreSQL would. In: a reading. Out: `Facts`."""
