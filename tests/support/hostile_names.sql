-- Names that would end a quoted name, a text, a comment or a block of generated SQL, if anything let them.
CREATE ROLE bystander;
CREATE SCHEMA "s"";--";
CREATE TABLE "s"";--"."x""; DROP ROLE bystander; --" (id integer, "a'); DROP ROLE bystander; --" text);
CREATE TABLE "s"";--"."$pg_guard$; DROP ROLE bystander; $pg_guard$" ("\""" integer, "pass\" text, "%s %I {0}" text);
CREATE TABLE "s"";--"."line
DROP ROLE bystander; --" (id integer);
CREATE VIEW "s"";--"."*/ 'v' /*" AS SELECT id FROM "s"";--"."x""; DROP ROLE bystander; --";
CREATE FUNCTION "s"";--"."f""(); DROP ROLE bystander; --"(integer) RETURNS integer LANGUAGE sql RETURN 1;
