-- The first start of PostgreSQL: a sample, and a role that may only read what the policy of the compose file permits.
-- In: the secret of the reader. The rights are those that `pg-guard grants --policy policy.yaml --role reader` writes.
\set password `cat /run/secrets/reader_password`

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE products (
  id integer PRIMARY KEY,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  purchase_price numeric(10, 2) NOT NULL,
  embedding vector(3)
);
COMMENT ON TABLE products IS 'What the shop sells';

CREATE TABLE sales (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id integer NOT NULL REFERENCES products,
  quantity integer NOT NULL,
  sold_on date NOT NULL
);
COMMENT ON TABLE sales IS 'One line for each sale';

INSERT INTO products VALUES
  (1, 'Lamp', 49.00, 21.50, '[0.9, 0.1, 0.0]'),
  (2, 'Chair', 129.00, 64.00, '[0.1, 0.9, 0.2]'),
  (3, 'Desk', 349.00, 180.00, '[0.2, 0.8, 0.4]');
INSERT INTO sales (product_id, quantity, sold_on)
SELECT n % 3 + 1, n % 4 + 1, date '2026-01-01' + n FROM generate_series(1, 90) AS n;

CREATE ROLE reader LOGIN NOINHERIT CONNECTION LIMIT 100 PASSWORD :'password';
ALTER ROLE reader SET default_transaction_read_only = on;
ALTER ROLE reader SET statement_timeout = '30s';
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO reader;
GRANT USAGE ON SCHEMA public TO reader;
GRANT SELECT ON sales TO reader;
GRANT SELECT (id, name, price, embedding) ON products TO reader;
