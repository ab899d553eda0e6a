-- Objects that attacks need, loaded on top of the sample database (pg_guard/demo/schema.sql and its rows) by the test
-- harness as a superuser. Each one is something that real databases hold and that leads to hidden data by another way than its name.
-- Whatever a policy should protect here carries a canary, as in the sample database.

-- Names and texts of hidden objects: metadata leaks show these.
CREATE TABLE hr."CANARY-table" (id integer PRIMARY KEY, "CANARY-column" text DEFAULT 'CANARY-default', CHECK ("CANARY-column" <> 'CANARY-check'));
INSERT INTO hr."CANARY-table" VALUES (1, 'CANARY-cell');
COMMENT ON TABLE hr."CANARY-table" IS 'CANARY-comment';
COMMENT ON COLUMN hr.payroll.bank_account IS 'CANARY-column_comment';
CREATE VIEW hr.definitions AS SELECT 'CANARY-viewdef' AS secret;
CREATE FUNCTION hr.master_key() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'CANARY-function_body' $$;
CREATE PROCEDURE hr.rotate() LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'CANARY-procedure'; END $$;
CREATE INDEX payroll_odd_idx ON hr.payroll (id) WHERE bank_account <> 'CANARY-index_predicate';
CREATE TYPE hr.clearance AS ENUM ('CANARY-label_low', 'CANARY-label_high');
CREATE STATISTICS hr.payroll_mcv (mcv) ON employee_id, bank_account FROM hr.payroll;
CREATE SEQUENCE hr.badge_numbers START 918273001;
SELECT nextval('hr.badge_numbers');
CREATE SEQUENCE public.ticket_numbers;

-- Views over views over hidden tables and columns, in schemas that look harmless.
CREATE VIEW public.staff_directory AS SELECT id, name, email FROM hr.employees;
CREATE VIEW public.staff_directory_2 AS SELECT * FROM public.staff_directory;
CREATE VIEW public.staff_directory_3 AS SELECT s.id, s.email AS contact FROM public.staff_directory_2 s WHERE s.id < 100;
CREATE VIEW public.staff_renamed (k, v) AS SELECT id, national_id FROM hr.employees;
CREATE VIEW public.staff_names AS SELECT string_agg(name, ',') AS everyone FROM hr.employees;
CREATE VIEW public.staff_by_subquery AS
  SELECT d.id, (SELECT max(e.name) FROM hr.employees e WHERE e.department_id = d.id) AS head FROM hr.departments d;
CREATE VIEW public.staff_by_cte AS WITH p AS (SELECT bank_account FROM hr.payroll) SELECT bank_account AS iban FROM p;
CREATE VIEW public.staff_by_union AS SELECT name FROM public.regions UNION ALL SELECT name FROM hr.employees;
CREATE VIEW public.staff_by_set AS SELECT c.id FROM public.customers c WHERE c.ssn LIKE 'CANARY-ssn-1%';
CREATE VIEW public.keys_filtered WITH (security_barrier) AS SELECT owner, secret FROM audit.api_keys WHERE id < 5;
CREATE VIEW public.keys_invoker WITH (security_invoker) AS SELECT * FROM audit.api_keys;
CREATE VIEW public.customer_all AS SELECT * FROM public.customers;
CREATE VIEW public.customer_rows AS SELECT c AS person FROM public.customers c;
CREATE VIEW public.customer_json AS SELECT c.id, to_jsonb(c) AS doc FROM public.customers c;
CREATE VIEW public.customer_text AS SELECT c.id, c::text AS line FROM public.customers c;
CREATE VIEW public.customer_login AS SELECT id, upper(password_hash) AS p FROM public.customers;
CREATE VIEW public.customer_login_2 AS SELECT id, reverse(p) AS q FROM public.customer_login;
CREATE VIEW public.customer_sorted AS SELECT id, row_number() OVER (ORDER BY ssn) AS rank FROM public.customers;
CREATE VIEW public.customer_joined AS SELECT o.id, c.card_token AS reference FROM public.orders o JOIN public.customers c ON c.id = o.customer_id;
CREATE VIEW public.customer_natural AS SELECT * FROM public.customers NATURAL JOIN (SELECT 1 AS one) x;
CREATE RECURSIVE VIEW public.staff_chain (id, label) AS
  SELECT id, name FROM hr.employees WHERE manager_id IS NULL
  UNION ALL SELECT e.id, e.name FROM hr.employees e JOIN staff_chain c ON e.manager_id = c.id;
CREATE VIEW public.staff_called AS SELECT public.badge(s) AS line FROM generate_series(1, 3) s;
CREATE MATERIALIZED VIEW analytics.payroll_by_month AS SELECT month, sum(gross) AS gross, max(bank_account) AS account FROM hr.payroll GROUP BY month;
CREATE VIEW analytics.payroll_recent AS SELECT * FROM analytics.payroll_by_month ORDER BY month DESC;
CREATE MATERIALIZED VIEW public.customer_cache AS SELECT id, ssn AS reference FROM public.customers;
CREATE VIEW public.orders_all AS SELECT * FROM public.orders;
CREATE VIEW public.orders_slim AS SELECT id, total, customer_id FROM public.orders;
CREATE VIEW public.web_events_all AS SELECT * FROM public.web_events;

-- Partitions and inheritance children of hidden parents; a hidden child of a harmless parent.
CREATE TABLE hr.reviews (id integer, year integer NOT NULL, verdict text) PARTITION BY LIST (year);
CREATE TABLE public.reviews_2025 PARTITION OF hr.reviews FOR VALUES IN (2025);
CREATE TABLE public.reviews_2026 PARTITION OF hr.reviews FOR VALUES IN (2026) PARTITION BY RANGE (id);
CREATE TABLE public.reviews_2026_low PARTITION OF public.reviews_2026 FOR VALUES FROM (0) TO (1000);
INSERT INTO hr.reviews SELECT n, 2025 + n % 2, 'CANARY-verdict-' || n FROM generate_series(1, 40) n;
CREATE TABLE audit.events (id integer, entry text);
CREATE TABLE public.login_events (address inet) INHERITS (audit.events);
CREATE TABLE public.login_events_mobile (device text) INHERITS (public.login_events);
INSERT INTO public.login_events SELECT n, 'CANARY-login-' || n, '203.0.113.9' FROM generate_series(1, 20) n;
INSERT INTO public.login_events_mobile SELECT n, 'CANARY-mobile-' || n, '203.0.113.9', 'phone' FROM generate_series(1, 20) n;
CREATE TABLE public.bulletins (id integer, body text);
CREATE TABLE hr.bulletins_internal () INHERITS (public.bulletins);
INSERT INTO public.bulletins VALUES (1, 'Welcome');
INSERT INTO hr.bulletins_internal VALUES (2, 'CANARY-bulletin-2');
CREATE TABLE public.archive (id integer, body text) PARTITION BY LIST (id);
CREATE TABLE audit.archive_1 PARTITION OF public.archive FOR VALUES IN (1);
CREATE TABLE public.archive_2 PARTITION OF public.archive FOR VALUES IN (2);
INSERT INTO public.archive VALUES (1, 'CANARY-archive-1'), (2, 'harmless');
-- A child of customers has the denied columns without their table's name.
CREATE TABLE public.members (level integer) INHERITS (public.customers);
INSERT INTO public.members (id, name, email, city, country, segment, created_at, password_hash, card_token, ssn, level)
  SELECT 9000 + n, 'Member ' || n, 'member' || n || '@mail.example', 'Lyon', 'FR', 'consumer', now(), 'CANARY-password-m' || n, 'CANARY-card-m' || n, 'CANARY-ssn-m' || n, n FROM generate_series(1, 5) n;
CREATE TABLE public.orders_archive () INHERITS (public.orders);
INSERT INTO public.orders_archive SELECT id + 100000, tenant_id, customer_id, store_id, status, ordered_at, shipped_at, total, currency, note FROM public.orders WHERE id < 50;

-- Columns that derive from sensitive ones; composite columns; row types.
CREATE TABLE public.accounts (
  id integer PRIMARY KEY,
  ssn text NOT NULL,
  ssn_tail text GENERATED ALWAYS AS ('CANARY-' || right(ssn, 6)) STORED,
  ssn_virtual text GENERATED ALWAYS AS (upper(ssn)) VIRTUAL,
  label text NOT NULL
);
INSERT INTO public.accounts (id, ssn, label) SELECT n, 'CANARY-ssn-a' || n, 'account ' || n FROM generate_series(1, 12) n;
CREATE TABLE public.snapshots (id integer PRIMARY KEY, taken public.customers, staff hr.employees, many hr.employees[]);
INSERT INTO public.snapshots
  SELECT c.id, c, e, ARRAY[e] FROM public.customers c JOIN hr.employees e ON e.id = c.id WHERE c.id < 6;
CREATE TYPE public.person AS (label text, ssn text);
CREATE TABLE public.people OF public.person;
INSERT INTO public.people VALUES ('first', 'CANARY-ssn-p1'), ('second', 'CANARY-ssn-p2');
CREATE TYPE public.household AS (head public.person, size integer);
CREATE TABLE public.households (id integer PRIMARY KEY, home public.household);
INSERT INTO public.households SELECT n, ROW(ROW('h' || n, 'CANARY-ssn-h' || n)::public.person, n)::public.household FROM generate_series(1, 5) n;
CREATE TABLE public.memos (id integer PRIMARY KEY, tenant_id integer NOT NULL DEFAULT 1, body text);
INSERT INTO public.memos VALUES (1, 1, 'Opening hours change'), (2, 2, 'Stock count on Friday');
CREATE TABLE hr.long_notes (id integer PRIMARY KEY, body text STORAGE EXTERNAL);
INSERT INTO hr.long_notes SELECT n, repeat('CANARY-note-' || n || ' ', 400) FROM generate_series(1, 3) n;

-- Large objects and TOAST, under names that a test can write down.
SELECT lo_from_bytea(4242, convert_to('CANARY-large_object', 'UTF8'));
SET allow_system_table_mods = on;
UPDATE pg_class SET relname = 'pg_toast_long_notes' WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'hr.long_notes'::regclass);
RESET allow_system_table_mods;

-- Functions that read hidden tables, in every shape in which PostgreSQL calls one.
CREATE FUNCTION public.staff() RETURNS SETOF hr.employees LANGUAGE sql STABLE AS 'SELECT * FROM hr.employees';
CREATE FUNCTION public.staff_table() RETURNS TABLE (id integer, label text) LANGUAGE sql STABLE AS 'SELECT id, name FROM hr.employees';
CREATE FUNCTION public.staff_plpgsql() RETURNS text LANGUAGE plpgsql STABLE AS $$
  DECLARE found text; BEGIN SELECT max(name) INTO found FROM hr.employees; RETURN found; END $$;
CREATE FUNCTION public.staff_atomic(n integer) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT name FROM hr.employees WHERE id = n; END;
CREATE FUNCTION public.run_query(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE query INTO r; RETURN r; END $$;
CREATE FUNCTION public.dblink(query text) RETURNS SETOF record LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE query; END $$;
CREATE FUNCTION public.crosstab(query text) RETURNS TABLE (row_name text, value text) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE query; END $$;
CREATE FUNCTION public.peek(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE r text; BEGIN EXECUTE format('SELECT string_agg(t::text, chr(10)) FROM %s t', relation) INTO r; RETURN r; END $$;
CREATE FUNCTION public.raise_secret() RETURNS integer LANGUAGE plpgsql AS $$
  BEGIN RAISE NOTICE '%', (SELECT max(secret) FROM audit.api_keys); RETURN 1; END $$;
CREATE FUNCTION public.fail_secret() RETURNS integer LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION '%', (SELECT max(secret) FROM audit.api_keys); END $$;
CREATE FUNCTION public.record_visit() RETURNS integer LANGUAGE sql VOLATILE AS $$ UPDATE public.memos SET body = 'visited' WHERE id = 1 RETURNING id $$;
CREATE FUNCTION public.ssn_of(p public.customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT p.ssn';
CREATE FUNCTION public.contact(p public.customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT p.password_hash';
CREATE FUNCTION public.with_default(n integer, t text DEFAULT pg_read_file('canary_file.txt')) RETURNS text
  LANGUAGE sql AS 'SELECT n || t';
CREATE FUNCTION public.variadic_staff(VARIADIC n integer[]) RETURNS text LANGUAGE sql STABLE AS 'SELECT string_agg(name, '','') FROM hr.employees WHERE id = ANY (n)';
CREATE FUNCTION public.out_staff(OUT label text, OUT pay numeric) LANGUAGE sql STABLE AS 'SELECT name, salary FROM hr.employees LIMIT 1';
CREATE PROCEDURE public.show_secret() LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT max(secret) FROM audit.api_keys); END $$;
CREATE FUNCTION public.leak_window(integer) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT max(secret) FROM audit.api_keys); END $$;
CREATE FUNCTION analytics.helper() RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM analytics.team';
CREATE FUNCTION analytics.helper_of_helper() RETURNS text LANGUAGE sql STABLE AS 'SELECT analytics.helper()';
-- An allowed name with arguments of its own: net_price of a customer.
CREATE FUNCTION public.net_price(customer public.customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT customer.card_token';
CREATE FUNCTION public.order_total(name text) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(national_id) FROM hr.employees';

-- Names of built-in functions, with argument types that match better than pg_catalog's.
CREATE FUNCTION public.reverse(value character varying) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION public.repeat(value text, times bigint) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION public.chr(code bigint) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION public.lower(level public.order_status) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION public.date_part(field text, level public.order_status) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION public.sum(value text) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';

-- Operators.
CREATE FUNCTION public.op_lookup(integer, integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM hr.employees WHERE id = $1 + $2';
CREATE OPERATOR public.<+> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.op_lookup);
CREATE FUNCTION public.op_prefix(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT national_id FROM hr.employees WHERE id = $1';
CREATE OPERATOR public.!!! (RIGHTARG = integer, FUNCTION = public.op_prefix);
CREATE FUNCTION public.op_member(public.order_status, text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN RAISE NOTICE '%', (SELECT max(name) FROM hr.employees); RETURN true; END $$;
CREATE OPERATOR public.= (LEFTARG = public.order_status, RIGHTARG = text, FUNCTION = public.op_member);
CREATE OPERATOR public.~~ (LEFTARG = public.order_status, RIGHTARG = text, FUNCTION = public.op_member);
CREATE OPERATOR public.< (LEFTARG = public.order_status, RIGHTARG = text, FUNCTION = public.op_member);
CREATE FUNCTION public.op_row(public.customers, integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT ($1).ssn';
CREATE OPERATOR public.-> (LEFTARG = public.customers, RIGHTARG = integer, FUNCTION = public.op_row);

-- Casts.
CREATE TYPE public.staff_ref AS (id integer);
CREATE FUNCTION public.ref_to_text(public.staff_ref) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM hr.employees WHERE id = ($1).id';
CREATE CAST (public.staff_ref AS text) WITH FUNCTION public.ref_to_text(public.staff_ref) AS IMPLICIT;
CREATE FUNCTION public.int_to_ref(integer) RETURNS public.staff_ref LANGUAGE plpgsql STABLE AS $$
  BEGIN RAISE NOTICE '%', (SELECT max(name) FROM hr.employees); RETURN ROW($1)::public.staff_ref; END $$;
CREATE CAST (integer AS public.staff_ref) WITH FUNCTION public.int_to_ref(integer) AS ASSIGNMENT;
CREATE TYPE public.grade AS ENUM ('low', 'high');
CREATE FUNCTION public.grade_to_numeric(public.grade) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT max(salary) FROM hr.employees';
CREATE CAST (public.grade AS numeric) WITH FUNCTION public.grade_to_numeric(public.grade) AS IMPLICIT;

-- Domains whose checks call functions; a type with input and output functions of its own language is not possible in
-- SQL, so a range type with a subtype_diff and canonical-free constructor stands for it.
CREATE FUNCTION public.check_code(text) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN RAISE NOTICE '%', (SELECT max(secret) FROM audit.api_keys); RETURN true; END $$;
CREATE DOMAIN public.code AS text CHECK (public.check_code(VALUE));
CREATE DOMAIN public.code_of_code AS public.code;
CREATE DOMAIN public.file_code AS text CHECK (length(pg_read_file('canary_file.txt')) = length(VALUE));
CREATE TYPE public.coded AS (c public.code, n integer);

-- Aggregates, and ordered-set and window calls of them.
CREATE FUNCTION public.acc(state text, integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE AGGREGATE public.collect_names(integer) (SFUNC = public.acc, STYPE = text, INITCOND = '');
CREATE FUNCTION public.acc_final(state integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(secret) FROM audit.api_keys';
CREATE AGGREGATE public.total_of(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', FINALFUNC = public.acc_final);

-- Row types whose comparison and sorting call code: a btree operator class of a user's own.
CREATE TYPE public.ticket AS (n integer);
CREATE FUNCTION public.ticket_lt(public.ticket, public.ticket) RETURNS boolean LANGUAGE sql AS 'SELECT ($1).n < ($2).n';
CREATE FUNCTION public.ticket_le(public.ticket, public.ticket) RETURNS boolean LANGUAGE sql AS 'SELECT ($1).n <= ($2).n';
CREATE FUNCTION public.ticket_eq(public.ticket, public.ticket) RETURNS boolean LANGUAGE sql AS 'SELECT ($1).n = ($2).n';
CREATE FUNCTION public.ticket_ge(public.ticket, public.ticket) RETURNS boolean LANGUAGE sql AS 'SELECT ($1).n >= ($2).n';
CREATE FUNCTION public.ticket_gt(public.ticket, public.ticket) RETURNS boolean LANGUAGE sql AS 'SELECT ($1).n > ($2).n';
CREATE FUNCTION public.ticket_cmp(public.ticket, public.ticket) RETURNS integer LANGUAGE plpgsql AS $$
  BEGIN RAISE NOTICE '%', (SELECT max(secret) FROM audit.api_keys); RETURN ($1).n - ($2).n; END $$;
CREATE OPERATOR public.< (LEFTARG = public.ticket, RIGHTARG = public.ticket, FUNCTION = public.ticket_lt);
CREATE OPERATOR public.<= (LEFTARG = public.ticket, RIGHTARG = public.ticket, FUNCTION = public.ticket_le);
CREATE OPERATOR public.= (LEFTARG = public.ticket, RIGHTARG = public.ticket, FUNCTION = public.ticket_eq);
CREATE OPERATOR public.>= (LEFTARG = public.ticket, RIGHTARG = public.ticket, FUNCTION = public.ticket_ge);
CREATE OPERATOR public.> (LEFTARG = public.ticket, RIGHTARG = public.ticket, FUNCTION = public.ticket_gt);
CREATE OPERATOR CLASS public.ticket_ops DEFAULT FOR TYPE public.ticket USING btree AS
  OPERATOR 1 public.<, OPERATOR 2 public.<=, OPERATOR 3 public.=, OPERATOR 4 public.>=, OPERATOR 5 public.>,
  FUNCTION 1 public.ticket_cmp(public.ticket, public.ticket);
CREATE TABLE public.tickets (id integer PRIMARY KEY, number public.ticket);
INSERT INTO public.tickets SELECT n, ROW(10 - n)::public.ticket FROM generate_series(1, 5) n;

-- A rule that copies, one that redirects, and a trigger: what a write to a harmless table does.
CREATE RULE memos_log AS ON UPDATE TO public.memos DO ALSO INSERT INTO audit.archive_1 VALUES (1, 'CANARY-rule');
CREATE TABLE public.inbox (id integer, body text);
CREATE RULE inbox_redirect AS ON INSERT TO public.inbox DO INSTEAD SELECT name FROM hr.employees;

-- Row security that depends on a hidden table, for a role that bypasses it as the superuser does.
ALTER TABLE public.memos ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_memos ON public.memos USING (tenant_id = current_setting('app.tenant', true)::integer);

-- Outside of the database: a foreign server, a mapping with a password, a foreign table, a subscription.
CREATE FOREIGN DATA WRAPPER no_wrapper OPTIONS (note 'CANARY-wrapper');
CREATE SERVER warehouse FOREIGN DATA WRAPPER no_wrapper OPTIONS (host 'CANARY-host');
CREATE USER MAPPING FOR CURRENT_USER SERVER warehouse OPTIONS ("user" 'CANARY-user', password 'CANARY-mapping_password');
CREATE FOREIGN TABLE public.remote_staff (id integer) SERVER warehouse OPTIONS (remote 'CANARY-remote');
CREATE PUBLICATION staff_changes FOR TABLE hr.employees;
CREATE SUBSCRIPTION staff_copy CONNECTION 'host=CANARY-host password=CANARY-password' PUBLICATION staff_changes
  WITH (connect = false, slot_name = NONE, enabled = false);

-- Names: 63 bytes, letters that fold, quotes and dots inside.
CREATE TABLE public.audit_a_name_that_is_exactly_sixty_three_bytes_long_in_total_xx (v text);
INSERT INTO public.audit_a_name_that_is_exactly_sixty_three_bytes_long_in_total_xx VALUES ('CANARY-long_name');
CREATE TABLE public."audit_ÄÖ" (v text);
INSERT INTO public."audit_ÄÖ" VALUES ('CANARY-umlaut');
CREATE TABLE public."audit_a.b" (v text);
INSERT INTO public."audit_a.b" VALUES ('CANARY-dotted');
CREATE TABLE public."audit_""q""" (v text);
INSERT INTO public."audit_""q""" VALUES ('CANARY-quoted');
CREATE TABLE public."hr.payroll" (v text);
INSERT INTO public."hr.payroll" VALUES ('harmless');
CREATE SCHEMA "HR";
CREATE TABLE "HR".payroll (v text);
INSERT INTO "HR".payroll VALUES ('harmless');
CREATE TABLE audit.regions (id integer, name text);
INSERT INTO audit.regions VALUES (1, 'CANARY-shadow');

ANALYZE;
