-- A database that is hard to write a policy for: tenants, German and French personal data, views and functions that leak,
-- names with everything in them. Loaded by tests/odd_database.py, which puts the role's name in for :reader.
CREATE SCHEMA app;
CREATE SCHEMA reference;
CREATE SCHEMA personalwesen;
CREATE SCHEMA closed;
CREATE SCHEMA "Odd.Schema*";

CREATE TABLE app.tenants (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.kunden (
  id integer PRIMARY KEY,
  tenant_id integer NOT NULL REFERENCES app.tenants,
  vorname text,
  nachname text,
  geburtsdatum date,
  telefonnummer text,
  kontonummer text,
  "Benutzerpasswort" text,
  umsatz numeric,
  telefonnummer_geprueft boolean,
  notiz text
);
COMMENT ON COLUMN app.kunden.notiz IS 'Vertraulich, nur für den Vertrieb # und "andere"';
CREATE TABLE app.factures (
  id integer PRIMARY KEY,
  tenant_id integer REFERENCES app.tenants,
  kunde_id integer NOT NULL REFERENCES app.kunden,
  numero_securite_sociale text,
  mot_de_passe text,
  courriel text,
  montant numeric,
  remarque text
);
COMMENT ON COLUMN app.factures.remarque IS 'Données personnelles';
CREATE TABLE app.orders (
  id bigint PRIMARY KEY,
  tenant_id integer NOT NULL REFERENCES app.tenants,
  ordered_on date NOT NULL,
  total numeric NOT NULL,
  email_sent_at timestamptz,
  token_count integer
);
CREATE INDEX ON app.orders (tenant_id);
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE TABLE app.order_lines (order_id bigint NOT NULL REFERENCES app.orders, line integer, amount numeric);
CREATE TABLE app.kontakte (id integer PRIMARY KEY, email text UNIQUE);
CREATE TABLE app.newsletter (subscriber text REFERENCES app.kontakte (email), subscribed boolean);
CREATE TABLE app.events (id bigint, tenant_id integer NOT NULL REFERENCES app.tenants, at date NOT NULL, client_ip inet)
  PARTITION BY RANGE (at);
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE app.notes (id integer, body text);
CREATE TABLE app.secret_notes (clearance integer) INHERITS (app.notes);
CREATE INDEX ON app.kunden (lower("Benutzerpasswort"));
CREATE FOREIGN DATA WRAPPER odd_wrapper NO HANDLER;
CREATE SERVER "odd server" FOREIGN DATA WRAPPER odd_wrapper OPTIONS (host 'secret-host.example');
CREATE FOREIGN TABLE app.remote (id integer, label text) SERVER "odd server";

CREATE TABLE personalwesen.angestellte (id integer PRIMARY KEY, name text, gehalt numeric);
CREATE TABLE reference.countries (code char(2) PRIMARY KEY, name text NOT NULL);
CREATE TABLE closed.things (id integer PRIMARY KEY);
CREATE TABLE "Odd.Schema*"."ta""ble.x*" (id integer, "pass*word" text, "we.ird email" text, " spaces phone " text, plain integer);
CREATE TABLE "Odd.Schema*".ends_with_quote_secret (id integer);
ALTER TABLE "Odd.Schema*".ends_with_quote_secret RENAME TO "api_keys""";
CREATE TABLE "Odd.Schema*"."Two
Lines" (id integer, "e-mail
address" text, "null" integer, "yes" text);
CREATE TABLE "Odd.Schema*"."表 <b>&" (id integer, "パスワード" text, "{{ 7 * 7 }}" text);

CREATE VIEW app.v_shows AS SELECT id, "Benutzerpasswort" AS p, umsatz FROM app.kunden;
CREATE VIEW app.v_chooses AS SELECT id FROM app.kunden WHERE kontonummer LIKE 'DE%';
CREATE VIEW app.v_staff AS SELECT id, name FROM personalwesen.angestellte;
CREATE VIEW app.v_over_view AS SELECT id FROM app.v_staff;
CREATE VIEW app.v_roles AS SELECT rolname FROM pg_catalog.pg_authid;
CREATE VIEW app.v_clean AS SELECT tenant_id, sum(total) AS total FROM app.orders GROUP BY tenant_id;
CREATE MATERIALIZED VIEW app.m_copy AS SELECT id, telefonnummer AS t FROM app.kunden;

CREATE FUNCTION app.reveal(who integer) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  AS $$ SELECT name || gehalt::text FROM personalwesen.angestellte WHERE id = who $$;
CREATE FUNCTION app.reveal_slowly(who integer) RETURNS text LANGUAGE plpgsql STABLE
  AS $$ BEGIN RETURN (SELECT "Benutzerpasswort" FROM app.kunden WHERE id = who); END $$;
CREATE FUNCTION app.anything(query text) RETURNS text LANGUAGE plpgsql STABLE
  AS $$ DECLARE r text; BEGIN EXECUTE query INTO r; RETURN r; END $$;
CREATE FUNCTION app.net(gross numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN round(gross / 1.19, 2);
CREATE FUNCTION app.tenant_total(tenant integer) RETURNS numeric LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT sum(total) FROM app.orders WHERE tenant_id = tenant; END;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

CREATE PUBLICATION odd_publication FOR TABLE personalwesen.angestellte, reference.countries;

GRANT USAGE ON SCHEMA app, reference, personalwesen, "Odd.Schema*" TO :reader;
GRANT SELECT ON ALL TABLES IN SCHEMA app, reference, personalwesen, "Odd.Schema*" TO :reader;
REVOKE SELECT ON app.kontakte FROM :reader;
GRANT SELECT (id) ON app.kontakte TO :reader;
GRANT INSERT, DELETE ON app.orders TO :reader;
GRANT UPDATE (name) ON reference.countries TO :reader;
GRANT CREATE ON SCHEMA app TO PUBLIC;
GRANT pg_monitor TO :reader;
