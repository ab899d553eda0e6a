"""Two readings of one text: PostgreSQL's own grammar (`witness`) and sqlglot (`parse`), compared (`agree`)."""
