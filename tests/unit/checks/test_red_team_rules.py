"""Attempts to get past the shipped rules, and honest statements that look like them.

Each family of bypasses that once worked has siblings here and look-alikes that must pass; the long list at the end holds
attempts that never worked, so that they stay so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from pg_guard.catalog import builtins
from pg_guard.catalog.model import Catalog, Column, ColumnDependency, Name, Relation
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.policy.packs import load_pack
from pg_guard.policy.shipped import shipped_dir
from pg_guard.testing.run import catalog_for_tests


@cache
def guard(pack: str, catalog: str) -> Guard:
    return Guard.from_packs([load_pack(shipped_dir("rules") / pack)], catalog_for_tests(catalog))


def fired(sql: str, pack: str, catalog: str = "demo") -> set[str]:
    return {each.rule for each in guard(pack, catalog).check(sql).findings if each.rule.startswith(f"{pack}/")}


def fires(rule: str, sql: str, catalog: str = "demo") -> bool:
    return rule in fired(sql, rule.partition("/")[0], catalog)


# -- settings: SHOW was no rule's business -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    ["SHOW app.jwt_secret", "SHOW ALL", "show PRIMARY_CONNINFO", 'SHOW "app.Key"', "SHOW/**/ssl_passphrase_command",
     "SHOW is_superuser", "SHOW SESSION AUTHORIZATION"],
)  # fmt: skip
def test_show_reads_settings(sql: str) -> None:
    assert fires("core/PG161", sql)


@pytest.mark.parametrize(
    "sql",
    ["SHOW TIME ZONE", "SHOW timezone", "SHOW search_path", "SHOW server_version", "SHOW DateStyle",
     "SHOW TRANSACTION ISOLATION LEVEL", "SHOW statement_timeout"],
)  # fmt: skip
def test_show_of_what_a_client_needs_is_no_read_of_the_configuration(sql: str) -> None:
    assert fired(sql, "core") == set()


def test_current_setting_and_show_agree() -> None:
    harmless = [
        "TimeZone",
        "DateStyle",
        "IntervalStyle",
        "lc_messages",
        "client_encoding",
        "server_version_num",
        "bytea_output",
    ]
    assert not any(fires("core/PG161", f"SELECT current_setting('{each}')") for each in harmless)
    assert not any(fires("core/PG161", f"SHOW {each}") for each in harmless)


# -- storage below tables, arguments of triggers, settings of functions ------------------------------------------------


@pytest.mark.parametrize("catalog", ["demo", "none"])
@pytest.mark.parametrize(
    "sql",
    ["SELECT chunk_data FROM pg_toast.pg_toast_2619", 'TABLE "pg_toast"."pg_toast_1260"',
     "SELECT 1 FROM ONLY pg_toast.pg_toast_2604 AS orders", "SELECT count(*) FROM pg_toast.pg_toast_3256 TABLESAMPLE SYSTEM (1)",
     'SELECT * FROM U&"pg\\005Ftoast".pg_toast_1255'],
)  # fmt: skip
def test_toast_tables_are_seen(sql: str, catalog: str) -> None:
    assert fires("core/PG138", sql, catalog)


@pytest.mark.parametrize(
    "sql",
    ["SELECT reltoastrelid FROM pg_class", "SELECT pg_toast FROM kitchen.pg_toast", "SELECT 1 FROM public.pg_toast_recipes",
     "SELECT 'pg_toast.pg_toast_2619'", "WITH pg_toast_1255 AS (SELECT 1 AS chunk_data) SELECT chunk_data FROM pg_toast_1255"],
)  # fmt: skip
def test_names_like_toast_are_no_toast(sql: str) -> None:
    assert not fires("core/PG138", sql, "none")


@pytest.mark.parametrize("catalog", ["demo", "none"])
@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("core/PG223", "SELECT tgargs FROM pg_trigger"),
        ("core/PG223", "SELECT encode(t.tgargs, 'escape') FROM pg_catalog.pg_trigger t"),
        ("core/PG223", "SELECT to_jsonb(t) FROM pg_trigger t"),
        ("core/PG223", "SELECT t.action_statement FROM information_schema.triggers t"),
        ("core/PG223", "SELECT pg_get_triggerdef(t.oid, true) FROM pg_trigger t"),
        ("core/PG223", "SELECT tgname FROM pg_trigger ORDER BY tgargs"),
        ("core/PG105", "SELECT proconfig FROM pg_proc"),
        ("core/PG105", "SELECT p.proname FROM pg_proc p WHERE 'x' = ANY (p.proconfig)"),
        ("core/PG105", "SELECT row_to_json(p) FROM pg_proc p"),
        ("core/PG105", "SELECT unnest(p.proconfig) FROM pg_proc p"),
        ("core/PG105", "SELECT s.setconfig FROM pg_db_role_setting s"),
    ],
)
def test_texts_that_deployments_put_into_catalogs_are_secrets(rule: str, sql: str, catalog: str) -> None:
    assert fires(rule, sql, catalog)


@pytest.mark.parametrize(
    "sql",
    ["SELECT tgname, tgenabled, tgrelid::regclass FROM pg_trigger", "SELECT trigger_name FROM information_schema.triggers",
     "SELECT proname, pronargs, provolatile FROM pg_proc", "SELECT setdatabase, setrole FROM pg_db_role_setting",
     "SELECT rolname, rolcanlogin FROM pg_roles",
     "SELECT column_name, character_maximum_length, numeric_precision, numeric_scale FROM information_schema.columns",
     "SELECT attribute_name, datetime_precision FROM information_schema.attributes",
     "SELECT null_frac, n_distinct, correlation FROM pg_stats WHERE tablename = 'orders'",
     "SELECT n_distinct, dependencies FROM pg_stats_ext"],
)  # fmt: skip
def test_catalogs_may_be_asked_for_what_is_no_secret(sql: str) -> None:
    assert fired(sql, "core") == set()


def test_samples_of_values_are_found_behind_a_view_of_the_deployment() -> None:
    catalog = catalog_for_tests("demo")
    assert catalog is not None
    statistic = Name("pg_catalog", "pg_statistic")
    view = Relation(
        "public", "samples", "view", (Column("sample", Name("pg_catalog", "text")),),
        definition="SELECT (stavalues1)::text AS sample FROM pg_catalog.pg_statistic",
        depends_on=(ColumnDependency(statistic, "stavalues1"),),
    )  # fmt: skip
    with_view = replace(catalog, relations=(*catalog.relations, view))
    core = Guard.from_packs([load_pack(shipped_dir("rules") / "core")], with_view)
    assert "core/PG180" in {each.rule for each in core.check("SELECT sample FROM samples").findings}


# -- extensions and fields without a catalog ---------------------------------------------------------------------------

NEEDLESS = {
    "backend-control", "catalog-write", "dynamic-sql", "large-object", "lock", "network", "notify", "replication",
    "sequence-write", "sleep", "statistics-read", "statistics-write", "wal", "xml-export",
}  # fmt: skip


@pytest.mark.parametrize("extension", sorted(builtins.extensions()))
def test_core_denies_what_no_reader_needs_of_an_extension(extension: str) -> None:
    schema = "topology." if extension == "postgis_topology" else ""
    for name in sorted(builtins.names(extension=extension)):
        capabilities = builtins.classify(name, extension=extension) or frozenset()
        if capabilities & NEEDLESS and not capabilities & {"support", "trigger"}:
            assert fired(f'SELECT {schema}"{name}"()', "core", "none"), name


@pytest.mark.parametrize(
    "sql",
    ["SELECT st_srid(g), st_simplify(g, 1), st_geometrytype(g) FROM places", "SELECT similarity(a, $1) FROM t",
     "SELECT h -> 'a', akeys(h) FROM t", "SELECT ext.unaccent(lower(name)) FROM t", "SELECT earth_distance(a, b) FROM t",
     "SELECT (p.size).width FROM products p", "SELECT gen_random_uuid(), digest(a, 'sha256') FROM t"],
)  # fmt: skip
def test_honest_functions_of_extensions_are_known(sql: str) -> None:
    assert fired(sql, "core", "none") == set()


@pytest.mark.parametrize(
    "sql",
    ["SELECT my_unaccent(name) FROM t", "SELECT app.f(x) FROM t", "SELECT x FROM t ORDER BY rank_of(x)", "SELECT * FROM report(1)",
     "SELECT getnodeedgesx('c', 1)", "SELECT t.x FROM t WHERE badge(t) = 'x'"],
)  # fmt: skip
def test_functions_that_nobody_knows_are_denied(sql: str) -> None:
    assert fires("core/PG230", sql, "none")


@pytest.mark.parametrize(
    "sql",
    ["SELECT (u.login).password FROM users u", "SELECT ((u.a).b).password FROM users u", "SELECT (login).password FROM users",
     "SELECT 1 FROM users u WHERE (u.login).api_key LIKE 'a%'", "SELECT (array_agg(u.login))[1].secret FROM users u"],
)  # fmt: skip
def test_a_secret_may_be_a_field(sql: str) -> None:
    assert fires("pii/PG301", sql, "none")


@pytest.mark.parametrize(
    "sql",
    ["SELECT (p.size).depth FROM products p", "SELECT ((p.a).b).c FROM products p", "SELECT (size).password_count FROM products",
     "SELECT 1 FROM products p WHERE (p.size).depth > 3", "SELECT ('a b'::text).length"],
)  # fmt: skip
def test_a_field_is_no_secret_by_itself(sql: str) -> None:
    assert fired(sql, "pii", "none") == set()


# -- names as libraries spell them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("pii/PG301", "accessToken"), ("pii/PG301", "ApiKey"), ("pii/PG301", "hashedPassword"), ("pii/PG301", "Client Secret"),
        ("pii/PG301", "reset-token"), ("pii/PG301", "userAPIKey"), ("pii/PG303", "creditCardNumber"),
        ("pii/PG304", "socialSecurityNumber"), ("pii/PG304", "Social Security Number"), ("pii/PG306", "bankAccount"),
    ],
)  # fmt: skip
def test_a_name_is_known_in_any_spelling(rule: str, name: str) -> None:
    assert fires(rule, f'SELECT "{name}" FROM accounts', "none")


@pytest.mark.parametrize(
    "name",
    [
        "tokenCount",
        "passwordChangedAt",
        "className",
        "Passwordless",
        "isSecretariat",
        "Access Tokens Used",
        "cardGame",
        "pinned",
    ],
)
def test_other_names_stay_other_names(name: str) -> None:
    assert fired(f'SELECT "{name}" FROM accounts', "pii", "none") == set()


@pytest.mark.parametrize(
    ("sql", "held"),
    [
        ('SELECT a FROM t WHERE "tenantId" = $1', True),
        ('SELECT a FROM t WHERE t."Tenant Id" = $1', True),
        ('SELECT a FROM t WHERE "tenantIds" = $1', False),
        ('SELECT a FROM t WHERE "tenantId" = "tenantId"', False),
        ('SELECT a FROM t WHERE "tenantId" > $1', False),
        ("SELECT a FROM t", False),
        ("SELECT column_name FROM information_schema.columns", True),
        ("SELECT relname FROM pg_catalog.pg_class", True),
        ("SELECT chunk_data FROM pg_toast.pg_toast_1", False),
    ],
)
def test_a_tenant_is_held_in_any_spelling(sql: str, held: bool) -> None:
    assert fires("multitenant/PG601", sql, "none") is not held


# -- results without an end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    ["SELECT id FROM orders WHERE true", "SELECT id FROM orders LIMIT ALL", "SELECT id FROM orders LIMIT NULL",
     "SELECT id FROM orders OFFSET 0", "WITH o AS (SELECT id FROM orders) TABLE o", "SELECT * FROM (SELECT id FROM orders) o",
     "SELECT id FROM orders UNION ALL SELECT id FROM orders", "SELECT id FROM orders WHERE id = id"],
)  # fmt: skip
def test_a_result_without_an_end_is_seen(sql: str) -> None:
    assert fires("compliance/PG720", sql, "large")


@pytest.mark.parametrize(
    "sql",
    ["SELECT id FROM orders WHERE customer_id = 7", "SELECT id FROM orders LIMIT 10", "SELECT count(*) FROM orders",
     "WITH o AS (SELECT id FROM orders) SELECT count(*) FROM o", "SELECT name FROM regions",
     "SELECT * FROM (SELECT id FROM orders) o WHERE o.id = 7", "SELECT status, count(*) FROM orders GROUP BY 1"],
)  # fmt: skip
def test_a_result_with_an_end_is_left_alone(sql: str) -> None:
    assert not fires("compliance/PG720", sql, "demo")


@pytest.mark.parametrize("limit", ["100000000", "'100000000'", "1e8", "100000000::bigint", "CAST('100000000' AS int8)"])
def test_a_large_limit_is_large_in_any_spelling(limit: str) -> None:
    assert fires("compliance/PG721", f"SELECT id FROM orders LIMIT {limit}")
    assert not fires("compliance/PG721", "SELECT id FROM orders LIMIT '10'")


# -- exceptions and parameters of policies -----------------------------------------------------------------------------

_POLICY = """schema: pg-guard/policy/v1
search_path: [public]
functions: {mode: denylist, allow: ["*"], user_defined: allow_listed}
packs: [{use: pii}, {use: core}]
exceptions:
  - {id: EX-1, rules: [pii/PG301, core/PG230], tables: [customers], reason: r, approved_by: a@example.com, expires: 2099-01-01}
"""


@cache
def excepted(catalog: Catalog | None) -> Guard:
    return Guard(parse_policy(_POLICY).policy, catalog)


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT password_hash FROM customers", True),
        ("SELECT x.password_hash FROM public.customers AS x", True),
        ("SELECT secret FROM audit.api_keys", False),
        ("SELECT customers.secret FROM audit.api_keys AS customers", False),
        ("WITH customers AS (SELECT * FROM audit.api_keys) SELECT secret FROM customers", False),
        ("SELECT (SELECT max(secret) FROM audit.api_keys) FROM customers", False),
        ("SELECT k.id FROM customers c JOIN audit.api_keys k ON k.secret = c.password_hash", False),
        ("SELECT c.password_hash, k.secret FROM customers c, audit.api_keys k", False),
        ("SELECT * FROM customers NATURAL JOIN (SELECT secret AS name FROM audit.api_keys) k", False),
        ("SELECT badge(1)", False),
        ("SELECT badge(1) FROM customers, regions", False),
    ],
)
def test_an_exception_lifts_what_is_about_its_tables(sql: str, allowed: bool) -> None:
    findings = excepted(catalog_for_tests("demo")).check(sql).findings
    denied = [each for each in findings if each.effect == "deny" and each.rule in ("pii/PG301", "core/PG230")]
    assert (denied == []) is allowed


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT password FROM customers", True),
        ("SELECT customers.secret FROM api_keys AS customers", False),
        ("SELECT password FROM users, customers", False),
        ("SELECT u.password FROM users u, customers", False),
    ],
)
def test_an_exception_without_a_catalog_covers_what_is_meant_for_certain(sql: str, allowed: bool) -> None:
    findings = excepted(None).check(sql).findings
    denied = [each for each in findings if each.effect == "deny" and each.rule == "pii/PG301"]
    assert (denied == []) is allowed


# -- attempts that never worked ----------------------------------------------------------------------------------------

ATTEMPTS = {
    "core/PG101": [
        "SELECT (pg_shadow).passwd FROM pg_shadow",
        "SELECT passwd(s) FROM pg_shadow s",
        "SELECT s.* FROM pg_shadow s",
        "WITH pg_authid AS (SELECT * FROM pg_authid) SELECT rolpassword FROM pg_authid",
        "WITH pg_roles AS (SELECT * FROM pg_authid) SELECT * FROM pg_roles",
        'SELECT U&"\\0072olpassword" FROM U&"pg\\005Fauthid"',
        "SELECT 1 FROM PG_AUTHID TABLESAMPLE SYSTEM (50)",
        "TABLE pg_catalog.pg_authid",
        "SELECT count(*) FROM pg_roles r JOIN LATERAL (SELECT * FROM pg_authid p WHERE p.oid = r.oid) x ON true",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM pg_authid",
    ],
    "core/PG102": [
        "SELECT m.* FROM pg_user_mappings m",
        "SELECT umoptions FROM (TABLE pg_user_mappings) x",
        "SELECT count(o) FROM information_schema.user_mapping_options o",
    ],
    "core/PG105": ["SELECT r FROM pg_roles r", "SELECT (r).rolconfig FROM (SELECT pg_roles AS r FROM pg_roles) q"],
    "core/PG110": [
        "SELECT \"pg_read_file\"/**/('/etc/passwd')",
        "SELECT * FROM ROWS FROM (pg_read_file('/etc/passwd'), generate_series(1, 2))",
        "SELECT ('/etc/passwd'::text).pg_read_file",
        "SELECT (t.f).pg_read_file FROM (SELECT '/etc/passwd'::text AS f) t",
        "SELECT (VALUES (pg_read_binary_file('x')))",
        "SELECT 1 LIMIT length(pg_read_file('/etc/passwd'))",
        "SELECT count(*) FILTER (WHERE pg_read_file('a') LIKE 'x') FROM orders",
        "SELECT sum(id) OVER (ORDER BY pg_read_file('a')) FROM orders",
        "SELECT 1 FROM orders TABLESAMPLE bernoulli (length(pg_read_file('a')))",
    ],
    "core/PG120": ["SELECT data FROM pg_largeobject", "SELECT (16402::oid).lo_get"],
    "core/PG130": [
        "SELECT (xpath('/', table_to_xml('hr.payroll'::regclass, true, false, '')))[1]",
        "SELECT database_to_xml(true, true, '')",
    ],
    "core/PG131": ["SELECT * FROM ts_stat($$select to_tsvector(ssn) from customers$$)"],
    "core/PG173": [
        "SELECT pg_sleep_for('5 minutes')",
        "SELECT * FROM pg_sleep_until('2030-01-01')",
        "EXPLAIN ANALYZE SELECT pg_sleep(5)",
    ],
    "core/PG180": [
        "SELECT s FROM pg_stats s",
        "SELECT to_jsonb(s) ->> 'most_common_vals' FROM pg_stats s",
        "SELECT most_common_vals(s) FROM pg_stats s",
        "SELECT x.m FROM pg_stats AS x(a, b, c, d, e, f, g, h, i, m)",
        'SELECT row_to_json(s) FROM ONLY "pg_catalog"."pg_statistic" s',
        "SELECT 1 FROM pg_stats NATURAL JOIN (SELECT '{x}'::text AS histogram_bounds) q",
    ],
    "core/PG190": ["SELECT ('orders_id_seq'::regclass).nextval"],
    "core/PG209": ["EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "EXPLAIN EXECUTE p"],
    "core/PG230": [
        "SELECT (1).badge",
        "SELECT (id::int).badge FROM orders",
        'SELECT U&"b\\0061dge"(1)',
        "SELECT * FROM ROWS FROM (badge(1)) WITH ORDINALITY",
        "SELECT badge(employee => 1)",
        "WITH badge AS (SELECT 1) SELECT badge(1) FROM badge",
        "VALUES (badge(1))",
        "SELECT CASE WHEN false THEN badge(1) END",
        "SELECT id FROM orders JOIN customers c USING (tenant_id) WHERE badge(c.id) = 'x'",
    ],
    "pii/PG301": [
        "SELECT password_hash(c) FROM customers c",
        "SELECT c.x FROM customers AS c(a, b, d, e, f, g, h, i, j, k, l, x)",
        "SELECT xmlforest(c.*) FROM customers c",
        "SELECT 1 FROM customers c WHERE c IS NOT NULL",
        "SELECT 1 FROM customers a JOIN customers b USING (password_hash)",
        "SELECT 1 FROM customers a NATURAL JOIN customers b",
        "SELECT DISTINCT ON (password_hash) id FROM customers",
        "SELECT id, rank() OVER (PARTITION BY left(password_hash, 1)) FROM customers",
        "WITH x(a) AS (SELECT password_hash FROM customers) SELECT a FROM x",
        "SELECT id FROM customers UNION SELECT ascii(password_hash) FROM customers",
        "SELECT id FROM customers WHERE EXISTS (SELECT 1 WHERE password_hash LIKE 'a%')",
    ],
    "pii/PG303": ["SELECT token FROM analytics.customer_export", "SELECT e FROM analytics.customer_export e"],
    "pii/PG304": [
        "SELECT (array_agg(c))[1].ssn FROM customers c",
        "SELECT (r).ssn FROM (SELECT c AS r FROM customers c) x",
        "SELECT jsonb_path_query(to_jsonb(customers), '$.ssn') FROM customers",
        "SELECT string_agg(x::text, ',') FROM (TABLE customers) x",
        "SELECT GROUPING(ssn) FROM customers GROUP BY ROLLUP (ssn)",
        "SELECT x FROM customers, LATERAL (VALUES (ssn)) v(x)",
        "SELECT x.* FROM customers, XMLTABLE('/r' PASSING xmlelement(name r, ssn) COLUMNS v text PATH '.') x",
        "SELECT jt.v FROM customers c, JSON_TABLE(to_jsonb(c), '$' COLUMNS (v text PATH '$.ssn')) jt",
        "SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM customers",
        "SELECT first_value(c) OVER () FROM customers c",
        "WITH RECURSIVE r(n, s) AS (SELECT 1, ssn FROM customers UNION ALL SELECT n + 1, s FROM r WHERE n < 2) SELECT s FROM r",
    ],
    "multitenant/PG601": [
        "SELECT total FROM orders o(tenant_id, id) WHERE tenant_id = 1",
        "SELECT total FROM orders WHERE tenant_id = 1 OR id > 0",
        "SELECT total FROM orders WHERE tenant_id = ANY (ARRAY(SELECT tenant_id FROM orders))",
        "SELECT o.id FROM generate_series(1, 100) g, orders o WHERE o.tenant_id = g",
        "SELECT o.id FROM orders o JOIN regions r ON r.id = o.tenant_id",
        "SELECT total FROM orders WHERE tenant_id = coalesce(NULL, tenant_id)",
        "SELECT total FROM orders WHERE tenant_id = (random() * 10)::int",
        "SELECT total FROM orders WHERE (tenant_id = 1) IS NOT TRUE",
        "SELECT total FROM orders WHERE CASE WHEN tenant_id = 1 THEN true ELSE true END",
        "SELECT a.total FROM orders a FULL JOIN orders b ON a.tenant_id = 1 AND b.tenant_id = 1",
        "SELECT a.total FROM orders a JOIN orders b USING (id) WHERE b.tenant_id = 1",
        "SELECT * FROM (SELECT total, 1 AS tenant_id FROM orders) x WHERE tenant_id = 1",
    ],
}


@pytest.mark.parametrize(("rule", "sql"), [(rule, sql) for rule, texts in ATTEMPTS.items() for sql in texts])
def test_an_attempt_is_seen(rule: str, sql: str) -> None:
    assert fires(rule, sql)


# What an attacker would have to write without a catalog; a name that nobody knows is taken for the worst.
@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("pii/PG301", "SELECT c.x FROM customers AS c(a, b, x)"),
        ("pii/PG301", "SELECT count(DISTINCT u) FROM users u"),
        ("pii/PG301", "SELECT u.to_jsonb FROM users u"),
        ("pii/PG301", "SELECT x.j ->> 'password' FROM (SELECT to_jsonb(u) AS j FROM users u) x"),
        ("pii/PG304", "WITH x AS (SELECT * FROM t) SELECT y FROM x"),
        ("pii/PG304", "SELECT ssn(t) FROM t"),
        ("pii/PG304", "SELECT 1 FROM t JOIN u USING (ssn)"),
        ("pii/PG304", 'SELECT "ſsn" FROM t'),
        ("core/PG180", "TABLE pg_stats"),
        ("core/PG180", "SELECT x.m FROM pg_stats AS x(a, b, m)"),
        ("core/PG131", "SELECT ts_rewrite('a'::tsquery, 'select t, s from aliases')"),
        ("core/PG230", "SELECT unaccent(f(x)) FROM t"),
        ("core/PG230", "SELECT x FROM t TABLESAMPLE my_method(1)"),
        ("multitenant/PG601", "SELECT a.total FROM orders AS a(x, tenant_id) WHERE tenant_id = 1"),
        ("multitenant/PG601", "SELECT a.total FROM orders a, orders b WHERE tenant_id = 1"),
    ],
)
def test_what_is_not_known_is_taken_for_the_worst(rule: str, sql: str) -> None:
    assert fires(rule, sql, "none")
