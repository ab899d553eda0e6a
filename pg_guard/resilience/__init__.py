"""What keeps the server useful when a model or a database fails, or too much is asked at once. Thin over libraries."""
