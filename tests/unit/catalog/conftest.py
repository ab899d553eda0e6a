"""A database that holds one of everything the catalog describes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from pg_guard.catalog.introspect import read_catalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pg_guard.catalog.model import Catalog

OBJECTS = """
CREATE SCHEMA "App";
CREATE SCHEMA hidden;
CREATE DOMAIN hidden.code AS text CHECK (VALUE <> '') CHECK (length(VALUE) < 10);
CREATE TYPE hidden.mood AS ENUM ('sad', 'ok', 'a ''happy'' one');
CREATE TYPE hidden.pair AS (a integer, b hidden.mood);
CREATE TYPE hidden.span AS RANGE (subtype = float8, multirange_type_name = hidden.spans);
CREATE TABLE hidden.users (
  id integer PRIMARY KEY, email text NOT NULL, secret text, code hidden.code DEFAULT 'x',
  dropped text, shout text GENERATED ALWAYS AS (upper(email)) STORED, UNIQUE (email, id));
ALTER TABLE hidden.users DROP COLUMN dropped;
ALTER TABLE hidden.users ENABLE ROW LEVEL SECURITY;
CREATE INDEX users_lower ON hidden.users (lower(email), id) INCLUDE (secret);
COMMENT ON TABLE hidden.users IS 'people';
COMMENT ON COLUMN hidden.users.email IS 'where';
CREATE TABLE "App"."Orders" (id bigint, user_id integer REFERENCES hidden.users (id), at date NOT NULL,
  PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE "App".orders_old PARTITION OF "App"."Orders" FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE "App".notes (order_id bigint, at date, FOREIGN KEY (at, order_id) REFERENCES "App"."Orders" (at, id));
CREATE TABLE "App".base (a integer);
CREATE TABLE "App".derived (b integer) INHERITS ("App".base);
CREATE RULE quiet AS ON INSERT TO "App".base DO INSTEAD NOTHING;
CREATE VIEW "App".emails AS SELECT email FROM hidden.users;
CREATE VIEW "App".whole AS SELECT u.id, to_jsonb(u) AS all_of_it FROM hidden.users u;
CREATE VIEW "App".counted AS SELECT count(*) FROM hidden.users;
CREATE VIEW "App".nested AS WITH e AS (SELECT * FROM "App".emails)
  SELECT 1 FROM e WHERE EXISTS (SELECT FROM hidden.users WHERE secret = ':relid 1247 :selectedCols (b 8)');
CREATE VIEW "App".roles AS SELECT rolpassword FROM pg_authid;
CREATE VIEW "App".system_column AS SELECT ctid FROM hidden.users;
CREATE MATERIALIZED VIEW "App".frozen AS SELECT id FROM hidden.users;
CREATE SEQUENCE "App".counter;
CREATE FUNCTION "App".add(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a + b';
CREATE FUNCTION "App".add(VARIADIC numeric[]) RETURNS numeric LANGUAGE sql RETURN 1.5;
CREATE FUNCTION "App".reader(OUT n bigint, INOUT m text) LANGUAGE sql SECURITY DEFINER
  BEGIN ATOMIC SELECT count(*), $1 FROM hidden.users; END;
CREATE FUNCTION "App".listing() RETURNS TABLE (x integer, y text) LANGUAGE plpgsql STABLE AS $$BEGIN RETURN; END$$;
CREATE PROCEDURE "App".work(IN a integer, OUT b integer) LANGUAGE plpgsql AS $$BEGIN b := a; END$$;
CREATE AGGREGATE "App".total(integer) (sfunc = int4pl, stype = integer, initcond = '0');
CREATE OPERATOR "App".+# (LEFTARG = integer, RIGHTARG = integer, FUNCTION = "App".add);
CREATE OPERATOR "App".!!! (RIGHTARG = text, FUNCTION = upper);
CREATE FUNCTION "App".to_mood(integer) RETURNS hidden.mood LANGUAGE sql RETURN 'ok'::hidden.mood;
CREATE CAST (integer AS hidden.mood) WITH FUNCTION "App".to_mood(integer) AS ASSIGNMENT;
CREATE EXTENSION vector;
CREATE ROLE catalog_reader LOGIN;
GRANT USAGE ON SCHEMA "App" TO catalog_reader;
ALTER ROLE catalog_reader SET search_path = missing, "$user", hidden, "App";
"""


@pytest.fixture(scope="session")
async def objects_dsn(server_dsn: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(server_dsn)
    await admin.execute("CREATE DATABASE one_of_each")
    dsn = urlunsplit(urlsplit(server_dsn)._replace(path="/one_of_each"))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(OBJECTS)
    finally:
        await connection.close()
    yield dsn
    await admin.execute("DROP DATABASE one_of_each WITH (FORCE)")
    await admin.execute("DROP ROLE catalog_reader")
    await admin.close()


@pytest.fixture(scope="session")
async def objects(objects_dsn: str) -> Catalog:
    return await read_catalog(objects_dsn)
