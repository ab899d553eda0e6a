"""The role and what every role has. In: options and an `Access`. Out: sections that make the role, empty it, set it, and check it.

A role that is there already is taken over only if its privileges can be taken away: it owns nothing and is no superuser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.advise.grants_model import Section, Statement, block, literal, routine_sql
from pg_guard.advise.quoting import printable, sql_name
from pg_guard.advise.reach import is_user_schema

if TYPE_CHECKING:
    from pg_guard.advise.grants_model import Access, GrantOptions
    from pg_guard.catalog.model import Catalog
    from pg_guard.policy.model import Limits

__all__ = ["check_section", "public_section", "revoke_section", "role_section", "settings_section"]

_IDLE_SECONDS: Final = 60
_LOCK_SECONDS: Final = 5
_TEMPORARY_FILES: Final = "1GB"

_ROLE: Final = """
DECLARE
  known record;
BEGIN
  IF current_database() <> {database} THEN
    RAISE EXCEPTION 'this script is for the database %, and this one is %', {database}, current_database();
  END IF;
  SELECT r.* INTO known FROM pg_catalog.pg_roles AS r WHERE r.rolname = {name};
  IF NOT FOUND THEN
    CREATE ROLE {role} {login} NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
  ELSIF known.rolsuper THEN
    RAISE EXCEPTION 'the role % is a superuser', {name} USING HINT = 'Give --role another name.';
  ELSIF EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend AS d
                WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = known.oid AND d.deptype = 'o') THEN
    RAISE EXCEPTION 'the role % owns objects, and nothing can be kept from an owner', {name}
      USING HINT = 'Give --role another name, or REASSIGN OWNED first.';
  ELSE
    ALTER ROLE {role} {login} NOINHERIT;
    IF known.rolcreatedb THEN ALTER ROLE {role} NOCREATEDB; END IF;
    IF known.rolcreaterole THEN ALTER ROLE {role} NOCREATEROLE; END IF;
    IF known.rolreplication THEN ALTER ROLE {role} NOREPLICATION; END IF;
    IF known.rolbypassrls THEN ALTER ROLE {role} NOBYPASSRLS; END IF;
  END IF;
  FOR known IN
    SELECT g.rolname AS granted, b.rolname AS grantor
    FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.member LEFT JOIN pg_catalog.pg_roles AS b ON b.oid = m.grantor
    WHERE r.rolname = {name}
  LOOP
    EXECUTE format('REVOKE %I FROM %I', known.granted, {name}) || coalesce(format(' GRANTED BY %I', known.grantor), '');
  END LOOP;
END
"""

# pg_shdepend names every object of this database, and every shared one, whose list of privileges names the role.
_LEFT: Final = """
DECLARE
  left_over text;
BEGIN
  SELECT string_agg(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') INTO left_over
  FROM pg_catalog.pg_shdepend AS d JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid
  WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND r.rolname = {name} AND d.deptype = 'a'
    AND (d.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
         OR d.dbid = 0 AND d.classid <> 'pg_catalog.pg_database'::regclass);
  IF left_over IS NOT NULL THEN
    RAISE EXCEPTION 'the role % keeps privileges on: %', {name}, left_over
      USING HINT = 'Revoke them first; the catalog may be older than the database, or another role granted them.';
  END IF;
END
"""

_CHECK: Final = """
DECLARE
  found text;
BEGIN
  FOR found IN
    SELECT format('CREATE on the schema %I', n.nspname) FROM pg_catalog.pg_namespace AS n
    WHERE pg_catalog.has_schema_privilege({name}, n.oid, 'CREATE')
    UNION ALL
    SELECT p.word || ' on the database' FROM (VALUES ('CREATE'), ('TEMPORARY')) AS p (word)
    WHERE pg_catalog.has_database_privilege({name}, current_database(), p.word)
    UNION ALL
    SELECT DISTINCT format('%s on %I.%I', x.privilege_type, n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT a.grantee, a.privilege_type FROM pg_catalog.aclexplode(c.relacl) AS a
                        UNION ALL
                        SELECT a.grantee, a.privilege_type FROM pg_catalog.pg_attribute AS t
                        CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a WHERE t.attrelid = c.oid) AS x
    WHERE x.grantee = 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND pg_catalog.has_schema_privilege({name}, n.oid, 'USAGE')
    UNION ALL
    SELECT format('EXECUTE, with the rights of its owner, on %s', p.oid::regprocedure)
    FROM pg_catalog.pg_proc AS p
    WHERE p.prosecdef AND pg_catalog.has_function_privilege({name}, p.oid, 'EXECUTE')
      AND pg_catalog.has_schema_privilege({name}, p.pronamespace, 'USAGE')
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(p.proacl) AS a
                      WHERE a.grantee = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = {name}))
    ORDER BY 1
  LOOP
    RAISE WARNING 'through PUBLIC, % also has %', {name}, found;
  END LOOP;
END
"""


def role_section(catalog: Catalog, options: GrantOptions) -> Section:
    """Make the role, or take it over without its attributes and memberships."""
    text = _ROLE.format(
        database=literal(catalog.database),
        name=literal(options.role),
        role=sql_name(options.role),
        login="LOGIN" if options.login else "NOLOGIN",
    )
    notes = ["A new role has no password: choose its way in by pg_hba.conf, or set one by \\password in psql."]
    if not options.login:
        notes = ["It cannot log in: sessions take it by SET ROLE, which leaves its settings aside."]
    return Section("The role", (Statement(block(text)),), tuple(notes))


def revoke_section(catalog: Catalog, options: GrantOptions) -> Section:
    """Take away what the role has, so that what an earlier policy gave does not stay."""
    role = sql_name(options.role)
    statements = [Statement(f"REVOKE ALL ON DATABASE {sql_name(catalog.database)} FROM {role}")]
    for schema in _user_schemas(catalog):
        name = sql_name(schema)
        statements += [
            Statement(f"REVOKE ALL ON ALL {what} IN SCHEMA {name} FROM {role}")
            for what in ("TABLES", "SEQUENCES", "ROUTINES")
        ]
        statements.append(Statement(f"REVOKE ALL ON SCHEMA {name} FROM {role}"))
    statements.append(Statement(block(_LEFT.format(name=literal(options.role)))))
    return Section("What the role had", tuple(statements))


def settings_section(catalog: Catalog, limits: Limits, search_path: tuple[str, ...], options: GrantOptions) -> Section:
    """Settings of the sessions that the role opens in this database."""
    role, database = sql_name(options.role), sql_name(catalog.database)
    begin = f"ALTER ROLE {role} IN DATABASE {database}"
    path = ", ".join(sql_name(each) for each in (*search_path, "pg_temp"))
    values = (
        ("default_transaction_read_only", "on"),
        ("statement_timeout", f"'{max(1, round(limits.statement_timeout * 1000))}ms'"),
        ("idle_in_transaction_session_timeout", f"'{_IDLE_SECONDS}s'"),
        ("lock_timeout", f"'{_LOCK_SECONDS}s'"),
        ("search_path", path),
    )
    files = (
        f"BEGIN\n  {begin} SET temp_file_limit = '{_TEMPORARY_FILES}';\n"
        "EXCEPTION WHEN insufficient_privilege THEN\n"
        "  RAISE NOTICE 'temp_file_limit is left as it is: only a superuser may set it';\nEND"
    )
    return Section(
        "Settings",
        (
            Statement(f"GRANT CONNECT ON DATABASE {database} TO {role}"),
            Statement(f"{begin} RESET ALL"),
            *(Statement(f"{begin} SET {name} = {value}") for name, value in values),
            Statement(block(files)),
        ),
        ("Where a session starts; a session may change all but temp_file_limit. What holds is the privileges below.",),
    )


def public_section(catalog: Catalog, access: Access, options: GrantOptions) -> Section:
    """What every role has through PUBLIC: a statement for each, active only if the user asked for it."""
    on = options.revoke_public
    statements = [Statement(f"REVOKE CREATE, TEMPORARY ON DATABASE {sql_name(catalog.database)} FROM PUBLIC", on)]
    with_tables = {each.schema for each in catalog.relations if is_user_schema(each.schema)}
    for schema in _user_schemas(catalog):
        statements.append(Statement(f"REVOKE CREATE ON SCHEMA {sql_name(schema)} FROM PUBLIC", on))
        if schema in with_tables:
            statements.append(Statement(f"REVOKE ALL ON ALL TABLES IN SCHEMA {sql_name(schema)} FROM PUBLIC", on))
    statements += [
        Statement(f"REVOKE EXECUTE ON ROUTINE {routine_sql(each)} FROM PUBLIC", on) for each in access.refused
    ]
    definers = [printable(str(each.key)) for each in access.refused if each.security_definer]
    notes = ["What PUBLIC has, every role has, and no REVOKE from one role takes it away. These concern all roles:"]
    notes.append(
        "they were asked for by --revoke-public; other roles need grants of their own for what they used through PUBLIC."
        if on
        else "grant to others what they need, then run them, or have them run by --revoke-public."
    )
    if definers:
        notes.append(f"Run with their owner's rights, so that the role reads through them: {', '.join(definers)}.")
    return Section("PUBLIC", tuple(statements), tuple(notes))


def check_section(options: GrantOptions) -> Section:
    """Warn of what the role has through PUBLIC when all is done."""
    return Section("What is left open", (Statement(block(_CHECK.format(name=literal(options.role)))),))


def _user_schemas(catalog: Catalog) -> list[str]:
    return sorted(each for each in catalog.schemas if is_user_schema(each))
