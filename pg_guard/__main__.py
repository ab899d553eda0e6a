"""`python -m pg_guard` is `pg-guard`."""

from pg_guard.entry.cli.main import main

if __name__ == "__main__":
    main()
