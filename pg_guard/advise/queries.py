"""The queries of `surroundings`. In: nothing. Out: SQL texts for PostgreSQL 14 to 18 that run under an empty search_path.

Every name is qualified; with the empty search_path, operators and types are pg_catalog's. Objects of the system's own
schemas and of other sessions' temporary ones are left out.
"""

from __future__ import annotations

__all__ = [
    "COLUMN_GRANTS",
    "DATABASES",
    "FUNCTION_GRANTS",
    "MEMBERSHIPS",
    "PUBLICATIONS",
    "RELATION_GRANTS",
    "ROLE",
    "SCHEMA_GRANTS",
    "SETTINGS",
    "SETTING_NAMES",
    "UNTRUSTED_LANGUAGES",
]

# The value that a new session of this role starts with: this reading changes some for itself.
SETTING_NAMES = (
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "log_statement",
    "password_encryption",
    "row_security",
    "search_path",
    "session_preload_libraries",
    "ssl",
    "standard_conforming_strings",
    "statement_timeout",
)

ROLE = """
SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypass_rls, r.rolcreaterole AS create_role,
       r.rolcreatedb AS create_database, r.rolreplication AS replication,
       pg_catalog.inet_client_addr() IS NULL AS local,
       coalesce((SELECT s.ssl FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_catalog.pg_backend_pid()), false)
         AS encrypted,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS create_in_database,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY') AS temporary
FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user
"""

MEMBERSHIPS = """
SELECT r.rolname::text AS name FROM pg_catalog.pg_roles AS r
WHERE r.rolname <> current_user AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
ORDER BY r.rolname COLLATE "C"
"""

_USER_SCHEMA = """
n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'
"""

SCHEMA_GRANTS = f"""
SELECT n.nspname::text AS name, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usage,
       pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS create,
       pg_catalog.has_schema_privilege('public', n.oid, 'CREATE') AS public_create,
       pg_catalog.pg_has_role(current_user, n.nspowner, 'USAGE') AS owned
FROM pg_catalog.pg_namespace AS n WHERE {_USER_SCHEMA}
ORDER BY n.nspname COLLATE "C"
"""  # noqa: S608 - only texts of this module

# TRUNCATE has no columns; INSERT and UPDATE count when the role has them for a single column.
RELATION_GRANTS = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable,
       array_remove(ARRAY[
         CASE WHEN pg_catalog.has_any_column_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
         CASE WHEN pg_catalog.has_any_column_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
         CASE WHEN pg_catalog.has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END,
         CASE WHEN pg_catalog.has_table_privilege(c.oid, 'TRUNCATE') THEN 'TRUNCATE' END], NULL)::text[] AS writes,
       pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE') AS owned,
       coalesce(lower(c.reloptions::text) ~ 'security_invoker=(true|on|1|yes)', false) AS security_invoker,
       c.relforcerowsecurity AS force_row_security,
       (SELECT s.srvname::text FROM pg_catalog.pg_foreign_table AS f
        JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) AS server
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {_USER_SCHEMA}
"""  # noqa: S608 - only texts of this module

COLUMN_GRANTS = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS column
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {_USER_SCHEMA}
  AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
  AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.oid, a.attnum
"""  # noqa: S608 - only texts of this module

# 16384 is FirstNormalObjectId: what has a smaller oid came with PostgreSQL. Without an ACL, PUBLIC may execute.
FUNCTION_GRANTS = """
SELECT n.nspname::text AS schema, p.proname::text AS name,
       ARRAY(SELECT tn.nspname::text FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (type, place)
             JOIN pg_catalog.pg_type AS t ON t.oid = u.type
             JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace ORDER BY u.place) AS arg_schemas,
       ARRAY(SELECT t.typname::text FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (type, place)
             JOIN pg_catalog.pg_type AS t ON t.oid = u.type ORDER BY u.place) AS arg_names,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS signature,
       p.proacl IS NULL OR EXISTS (SELECT 1 FROM pg_catalog.aclexplode(p.proacl) AS x
                                   WHERE x.grantee = 0::oid AND x.privilege_type = 'EXECUTE') AS public,
       pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS execute,
       p.proconfig AS settings, l.lanpltrusted OR l.lanname IN ('internal', 'sql') AS trusted
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid >= 16384::oid AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
"""

SETTINGS = """
SELECT s.name::text AS name, coalesce(s.reset_val, s.setting) AS value FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY($1::text[]) ORDER BY s.name COLLATE "C"
"""

DATABASES = """
SELECT d.datname::text AS name FROM pg_catalog.pg_database AS d
WHERE d.datallowconn AND d.datname <> pg_catalog.current_database()
  AND pg_catalog.has_database_privilege(d.oid, 'CONNECT')
ORDER BY d.datname COLLATE "C"
"""

UNTRUSTED_LANGUAGES = """
SELECT l.lanname::text AS name FROM pg_catalog.pg_language AS l WHERE l.lanispl AND NOT l.lanpltrusted
ORDER BY l.lanname COLLATE "C"
"""

PUBLICATIONS = """
SELECT p.pubname::text AS publication, p.schemaname::text AS schema, p.tablename::text AS name
FROM pg_catalog.pg_publication_tables AS p
"""
