-- Types whose values call users' code when they are compared or become JSON or text, and places that hold such values.
CREATE TYPE public.shade AS ENUM ('dark', 'light');
CREATE FUNCTION public.shade_to_json(public.shade) RETURNS json LANGUAGE sql STABLE AS 'SELECT to_json(max(name)) FROM hr.employees';
CREATE CAST (public.shade AS json) WITH FUNCTION public.shade_to_json(public.shade);
CREATE FUNCTION public.shade_to_text(public.shade) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE CAST (public.shade AS text) WITH FUNCTION public.shade_to_text(public.shade);
CREATE TYPE public.paint AS (shade public.shade, litres numeric);
CREATE TABLE public.paints (id integer PRIMARY KEY, paint public.paint, shades public.shade[]);
INSERT INTO public.paints SELECT n, ROW('dark', n)::public.paint, ARRAY['light']::public.shade[] FROM generate_series(1, 3) n;
CREATE DOMAIN public.good_ticket AS public.ticket;
CREATE TYPE public.pair_of_tickets AS (one public.ticket, other public.ticket);
CREATE TYPE public.ticket_range AS RANGE (subtype = public.ticket);
CREATE TABLE public.ticket_shelf (
  id integer PRIMARY KEY, pair public.pair_of_tickets, many public.ticket[], good public.good_ticket, span public.ticket_range);
INSERT INTO public.ticket_shelf SELECT n, ROW(ROW(n), ROW(n))::public.pair_of_tickets, ARRAY[ROW(n)]::public.ticket[], ROW(n)::public.ticket,
  public.ticket_range(ROW(n)::public.ticket, ROW(n + 1)::public.ticket) FROM generate_series(1, 3) n;
CREATE TYPE public.pointer AS (target regclass, note text);
CREATE TYPE public.coded_box AS (inside public.coded);
-- A superuser may put functions into pg_catalog, where they are found before all others.
CREATE FUNCTION pg_catalog.upper(public.shade) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE FUNCTION pg_catalog.shade_plus(public.shade, integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(name) FROM hr.employees';
CREATE OPERATOR pg_catalog.+ (LEFTARG = public.shade, RIGHTARG = integer, FUNCTION = pg_catalog.shade_plus);
CREATE FUNCTION pg_catalog.shade_to_bigint(public.shade) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT max(salary)::bigint FROM hr.employees';
CREATE CAST (public.shade AS bigint) WITH FUNCTION pg_catalog.shade_to_bigint(public.shade);
-- Two turns bring the third column to the first.
CREATE RECURSIVE VIEW public.rotated (a, b, c, n) AS
  SELECT name, city, ssn, 1 FROM public.customers UNION ALL SELECT b, c, a, n + 1 FROM rotated WHERE n < 3;
