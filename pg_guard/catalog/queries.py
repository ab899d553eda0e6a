"""The catalog queries. In: nothing. Out: SQL texts that run on PostgreSQL 14 to 18 under an empty search_path.

Every name is qualified, and objects refer to each other by oid: `introspect` puts the names in. ``"char"`` columns are
cast to text, because drivers hand them out as bytes. ``$1`` of the queries with a parameter is the list of relations'
oids that count, so that other sessions' temporary tables appear nowhere.
"""

from __future__ import annotations

__all__ = [
    "AGGREGATES",
    "CASTS",
    "COLUMNS",
    "COMPARISONS",
    "DATABASE",
    "EXTENSIONS",
    "FOREIGN_KEYS",
    "FUNCTIONS",
    "INDEXES",
    "INHERITANCE",
    "MEMBERS",
    "OPERATORS",
    "RELATIONS",
    "SCHEMAS",
    "SETTINGS",
    "TYPES",
    "VIEWS",
    "VIEW_DEPENDENCIES",
]

# Settings that change what a text means, what a role sees or how a result reads.
SETTINGS = (
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "default_transaction_read_only",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "row_security",
    "search_path",
    "server_encoding",
    "standard_conforming_strings",
    "transform_null_equals",
    "xmloption",
)

# Runs before search_path is emptied: current_schemas then resolves "$user" and leaves out schemas that do not exist.
DATABASE = """
SELECT pg_catalog.current_database()::text AS database,
       pg_catalog.current_setting('server_version_num')::int AS server_version,
       pg_catalog.current_schemas(false)::text[] AS search_path,
       d.datctype::text AS lc_ctype,
       d.datcollate::text AS lc_collate,
       ARRAY(SELECT pg_catalog.current_setting(s, true) FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS u(s, i)
             ORDER BY i) AS settings
FROM pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""

SCHEMAS = """
SELECT oid, nspname::text AS name, pg_catalog.pg_is_other_temp_schema(oid) AS foreign_temp
FROM pg_catalog.pg_namespace
"""

RELATIONS = """
SELECT c.oid, c.relnamespace AS schema, c.relname::text AS name, c.relkind::text AS kind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, c.reltuples::float8 AS rows,
       c.relrowsecurity AS row_security, c.relispartition AS partition,
       coalesce(d.description, '') AS comment,
       EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') AS rules
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_description AS d
  ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
WHERE NOT pg_catalog.pg_is_other_temp_schema(c.relnamespace)
"""

COLUMNS = """
SELECT a.attrelid AS relation, a.attnum AS number, a.attname::text AS name, a.atttypid AS type,
       a.attnotnull AS not_null, a.attgenerated::text AS generated, coalesce(d.description, '') AS comment,
       CASE WHEN a.atthasdef THEN pg_catalog.pg_get_expr(e.adbin, e.adrelid) END AS expression
FROM pg_catalog.pg_attribute AS a
LEFT JOIN pg_catalog.pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
LEFT JOIN pg_catalog.pg_description AS d
  ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = a.attnum
WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

# The rule's tree is read next to pg_depend: see `dependencies`.
VIEWS = """
SELECT r.ev_class AS relation, pg_catalog.pg_get_viewdef(r.ev_class) AS definition, r.ev_action::text AS tree
FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
WHERE r.ev_class = ANY($1::oid[]) AND r.rulename = '_RETURN' AND c.relkind IN ('v', 'm')
"""

VIEW_DEPENDENCIES = """
SELECT DISTINCT r.ev_class AS relation, d.refobjid AS target, d.refobjsubid AS number
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
WHERE r.ev_class = ANY($1::oid[]) AND r.rulename = '_RETURN'
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
"""

INHERITANCE = """
SELECT inhrelid AS child, inhparent AS parent FROM pg_catalog.pg_inherits
WHERE inhrelid = ANY($1::oid[]) ORDER BY inhrelid, inhseqno
"""

INDEXES = """
SELECT i.indrelid AS relation, i.indisprimary AS is_primary, i.indkey::int2[] AS numbers, i.indnkeyatts AS keys,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, n, false)
             FROM pg_catalog.generate_series(1, i.indnkeyatts) AS n ORDER BY n) AS expressions
FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY($1::oid[]) AND i.indisvalid
ORDER BY i.indrelid, c.relname COLLATE "C"
"""

# A foreign key to a partitioned table has further rows, one per partition of the target: those repeat the first.
FOREIGN_KEYS = """
SELECT k.conrelid AS relation, k.conkey AS numbers, k.confrelid AS target, k.confkey AS target_numbers
FROM pg_catalog.pg_constraint AS k
WHERE k.contype = 'f' AND k.conrelid = ANY($1::oid[])
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS p WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)
ORDER BY k.conrelid, k.conname COLLATE "C"
"""

FUNCTIONS = """
SELECT p.oid, p.pronamespace AS schema, p.proname::text AS name, p.prokind::text AS kind,
       p.provolatile::text AS volatility, l.lanname::text AS language,
       pg_catalog.pg_get_userbyid(p.proowner)::text AS owner,
       p.prosecdef AS security_definer, p.proretset AS returns_set, p.proisstrict AS strict,
       p.provariadic <> 0 AS variadic, p.pronargdefaults AS defaults, p.prorettype AS result,
       p.proargtypes::oid[] AS args, p.proallargtypes AS all_args, p.proargmodes::text[] AS modes,
       p.proargnames AS names,
       CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc ELSE '' END AS body,
       CASE WHEN p.prosqlbody IS NOT NULL THEN pg_catalog.pg_get_function_sqlbody(p.oid) ELSE '' END AS definition
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE NOT pg_catalog.pg_is_other_temp_schema(p.pronamespace)
"""

AGGREGATES = """
SELECT aggfnoid::oid AS oid,
       ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn,
             aggmfinalfn]::oid[] AS support
FROM pg_catalog.pg_aggregate
"""

# Types of other sessions' temporary tables come too (an array's element may be one); `assemble` drops them.
TYPES = """
SELECT t.oid, t.typnamespace AS schema, t.typname::text AS name, t.typtype::text AS kind,
       t.typcategory::text AS category, t.typispreferred AS preferred, t.typrelid AS relation, t.typelem AS element,
       t.typbasetype AS base,
       t.typinput::oid AS input, t.typoutput::oid AS output, r.rngsubtype AS subtype, m.rngtypid AS range,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid
             ORDER BY e.enumsortorder) AS labels,
       ARRAY(SELECT pg_catalog.pg_get_expr(k.conbin, 0) FROM pg_catalog.pg_constraint AS k
             WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname COLLATE "C") AS checks
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_range AS m ON m.rngmultitypid = t.oid
"""

# A shell operator (oprcode 0) cannot be called.
OPERATORS = """
SELECT oid, oprnamespace AS schema, oprname::text AS name, oprleft AS left, oprright AS right, oprresult AS result,
       oprcode::oid AS function
FROM pg_catalog.pg_operator WHERE oprcode <> 0::oid
"""

CASTS = """
SELECT castsource AS source, casttarget AS target, castfunc AS function, castcontext::text AS context,
       castmethod::text AS method
FROM pg_catalog.pg_cast
"""

# 16384 is FirstNormalObjectId: what has a smaller oid was made by initdb. A family's members may belong to the opclass
# or lie loose in it; all of them count. Their order is that of their oids, which `assemble` undoes.
COMPARISONS = """
WITH classes AS (
  SELECT c.opcintype AS type, c.opcfamily AS family, c.opcintype AS input
  FROM pg_catalog.pg_opclass AS c JOIN pg_catalog.pg_am AS a ON a.oid = c.opcmethod
  WHERE c.opcdefault AND a.amname IN ('btree', 'hash')
  UNION ALL
  SELECT r.rngtypid, c.opcfamily, c.opcintype
  FROM pg_catalog.pg_range AS r JOIN pg_catalog.pg_opclass AS c ON c.oid = r.rngsubopc
), called AS (
  SELECT k.type, p.amproc::oid AS function
  FROM classes AS k JOIN pg_catalog.pg_amproc AS p ON p.amprocfamily = k.family AND p.amproclefttype = k.input
  UNION
  SELECT k.type, o.oprcode::oid
  FROM classes AS k JOIN pg_catalog.pg_amop AS m ON m.amopfamily = k.family AND m.amoplefttype = k.input
  JOIN pg_catalog.pg_operator AS o ON o.oid = m.amopopr
  UNION
  SELECT r.rngtypid, f.function::oid
  FROM pg_catalog.pg_range AS r, LATERAL (VALUES (r.rngcanonical), (r.rngsubdiff)) AS f (function)
)
SELECT type, function FROM called WHERE function >= 16384::oid
"""

EXTENSIONS = "SELECT extname::text AS name, extversion AS version FROM pg_catalog.pg_extension"

MEMBERS = """
SELECT d.classid::pg_catalog.regclass::text AS kind, d.objid AS oid, e.extname::text AS extension
FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
"""
