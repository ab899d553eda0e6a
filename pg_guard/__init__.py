"""pg-guard: a declarative guard between language models and PostgreSQL."""
