"""Questions in plain language: a model writes SQL, the guard decides, PostgreSQL answers, the answer is checked."""
