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
    UNION ALL
    SELECT format('%s on %I.%I, which PostgreSQL keeps from it at first', x.privilege_type, n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS x
    WHERE x.grantee = 0 AND n.nspname = 'pg_catalog'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_init_privs AS i CROSS JOIN LATERAL pg_catalog.aclexplode(i.initprivs) AS a
                      WHERE i.classoid = 'pg_catalog.pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
                        AND a.grantee = 0 AND a.privilege_type = x.privilege_type)
    UNION ALL
    SELECT format('EXECUTE on %s, which PostgreSQL or an extension keeps from it at first', i.objoid::regprocedure)
    FROM pg_catalog.pg_init_privs AS i JOIN pg_catalog.pg_proc AS p ON p.oid = i.objoid
    WHERE i.classoid = 'pg_catalog.pg_proc'::regclass
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(i.initprivs) AS a WHERE a.grantee = 0)
      AND EXISTS (SELECT 1 FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
                  WHERE a.grantee = 0)
    UNION ALL
    SELECT format('%s on the large object %s', x.privilege_type, l.oid)
    FROM pg_catalog.pg_largeobject_metadata AS l CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) AS x
    WHERE x.grantee = 0
    UNION ALL
    SELECT format('%s on %s that %s makes later%s', x.privilege_type,
                  CASE d.defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END, pg_catalog.pg_get_userbyid(d.defaclrole),
                  coalesce(' in the schema ' || quote_ident(n.nspname), ''))
    FROM pg_catalog.pg_default_acl AS d LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS x
    WHERE x.grantee = 0 AND d.defaclobjtype IN ('r', 'S')
    ORDER BY 1
  LOOP
    RAISE WARNING 'through PUBLIC, % also has %', {name}, found;
  END LOOP;
  FOR found IN
    SELECT s.setting FROM pg_catalog.pg_db_role_setting AS d JOIN pg_catalog.pg_roles AS r ON r.oid = d.setrole
    CROSS JOIN LATERAL unnest(d.setconfig) AS s (setting) WHERE r.rolname = {name} AND d.setdatabase = 0 ORDER BY 1
  LOOP
    RAISE WARNING 'in all databases, % starts with %', {name}, found
      USING HINT = 'The role may set this for itself; an administrator takes it away by ALTER ROLE … RESET.';
  END LOOP;
END
"""

# Names come from the catalog of the moment: whoever made such a default need not have made a table yet.
_DEFAULTS: Final = """
DECLARE
  known record;
BEGIN
  FOR known IN
    SELECT DISTINCT pg_catalog.pg_get_userbyid(d.defaclrole) AS maker, n.nspname,
      CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END AS kind
    FROM pg_catalog.pg_default_acl AS d LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS x
    WHERE x.grantee = 0 AND d.defaclobjtype IN ('r', 'S')
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I', known.maker)
      || CASE WHEN known.nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', known.nspname) END
      || ' REVOKE ALL ON ' || known.kind || ' FROM PUBLIC';
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
    for schema in _user_schemas(catalog):
        statements.append(Statement(f"REVOKE CREATE ON SCHEMA {sql_name(schema)} FROM PUBLIC", on))
        statements += [
            Statement(f"REVOKE ALL ON ALL {what} IN SCHEMA {sql_name(schema)} FROM PUBLIC", on)
            for what in ("TABLES", "SEQUENCES")
        ]
    statements.append(Statement(block(_DEFAULTS), on))
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
