"""An embedded PostgreSQL 18 with a believable sample database, and the demonstration that runs the guard on it."""
