-- The sample database: Harbour Outfitters, a small retailer of outdoor gear.
-- Sensitive on purpose: everything in hr and audit, and the columns of public.customers marked below.
CREATE SCHEMA hr;
CREATE SCHEMA audit;
CREATE SCHEMA analytics;

CREATE TYPE public.order_status AS ENUM ('pending', 'paid', 'shipped', 'delivered', 'returned', 'cancelled');
CREATE DOMAIN public.email_address AS text CHECK (VALUE ~ '^[^@\s]+@[^@\s]+$');
CREATE TYPE public.dimensions AS (width numeric, height numeric, depth numeric);

CREATE TABLE public.regions (
  id integer PRIMARY KEY,
  name text NOT NULL UNIQUE,
  country char(2) NOT NULL
);
CREATE TABLE public.stores (
  id integer PRIMARY KEY,
  region_id integer NOT NULL REFERENCES public.regions,
  name text NOT NULL,
  opened_on date NOT NULL,
  location point,
  opening_hours jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE public.categories (
  id integer PRIMARY KEY,
  parent_id integer REFERENCES public.categories,
  name text NOT NULL
);
CREATE TABLE public.suppliers (
  id integer PRIMARY KEY,
  name text NOT NULL,
  country char(2) NOT NULL,
  contact_email public.email_address,
  rating real
);
CREATE TABLE public.products (
  id integer PRIMARY KEY,
  category_id integer NOT NULL REFERENCES public.categories,
  supplier_id integer REFERENCES public.suppliers,
  sku text NOT NULL UNIQUE,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  cost numeric(10, 2) NOT NULL,
  size public.dimensions,
  tags text[] NOT NULL DEFAULT '{}',
  attributes jsonb NOT NULL DEFAULT '{}',
  available daterange,
  discontinued boolean NOT NULL DEFAULT false,
  margin numeric GENERATED ALWAYS AS (price - cost) STORED
);
CREATE TABLE public.customers (
  id integer PRIMARY KEY,
  tenant_id integer NOT NULL DEFAULT 1,
  name text NOT NULL,
  email public.email_address NOT NULL UNIQUE,
  city text NOT NULL,
  country char(2) NOT NULL,
  segment text NOT NULL,
  birth_date date,
  referred_by integer REFERENCES public.customers,
  preferences jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  password_hash text NOT NULL,   -- sensitive
  card_token text,               -- sensitive
  ssn text                       -- sensitive
);
CREATE TABLE public.orders (
  id bigint PRIMARY KEY,
  tenant_id integer NOT NULL DEFAULT 1,
  customer_id integer NOT NULL REFERENCES public.customers,
  store_id integer REFERENCES public.stores,
  status public.order_status NOT NULL,
  ordered_at timestamptz NOT NULL,
  shipped_at timestamptz,
  total numeric(12, 2) NOT NULL,
  currency char(3) NOT NULL DEFAULT 'EUR',
  note text
);
CREATE TABLE public.order_items (
  order_id bigint NOT NULL REFERENCES public.orders,
  line integer NOT NULL,
  product_id integer NOT NULL REFERENCES public.products,
  quantity integer NOT NULL CHECK (quantity > 0),
  unit_price numeric(10, 2) NOT NULL,
  discount numeric(4, 3) NOT NULL DEFAULT 0,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE public.payments (
  id bigint PRIMARY KEY,
  tenant_id integer NOT NULL DEFAULT 1,
  order_id bigint NOT NULL REFERENCES public.orders,
  method text NOT NULL,
  amount numeric(12, 2) NOT NULL,
  paid_at timestamptz NOT NULL
);
CREATE TABLE public.reviews (
  id integer PRIMARY KEY,
  product_id integer NOT NULL REFERENCES public.products,
  customer_id integer NOT NULL REFERENCES public.customers,
  rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
  title text,
  body text,
  created_at timestamptz NOT NULL
);
CREATE TABLE public.inventory (
  store_id integer NOT NULL REFERENCES public.stores,
  product_id integer NOT NULL REFERENCES public.products,
  on_hand integer NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (store_id, product_id)
);
CREATE TABLE public.web_events (
  id bigint NOT NULL,
  occurred_at timestamptz NOT NULL,
  session_id uuid NOT NULL,
  customer_id integer,
  kind text NOT NULL,
  path text NOT NULL,
  payload jsonb NOT NULL DEFAULT '{}',
  client_ip inet,
  PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE public.web_events_2026_01 PARTITION OF public.web_events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.web_events_2026_02 PARTITION OF public.web_events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE public.web_events_2026_03 PARTITION OF public.web_events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE public.web_events_rest PARTITION OF public.web_events DEFAULT;
CREATE TABLE public."Secret Stuff" (id integer PRIMARY KEY, "Value" text NOT NULL);

CREATE TABLE hr.departments (id integer PRIMARY KEY, name text NOT NULL, budget numeric(12, 2) NOT NULL);
CREATE TABLE hr.employees (
  id integer PRIMARY KEY,
  department_id integer NOT NULL REFERENCES hr.departments,
  manager_id integer REFERENCES hr.employees,
  name text NOT NULL,
  email text NOT NULL,
  hired_on date NOT NULL,
  salary numeric(10, 2) NOT NULL,
  national_id text NOT NULL
);
CREATE TABLE hr.payroll (
  id integer PRIMARY KEY,
  employee_id integer NOT NULL REFERENCES hr.employees,
  month date NOT NULL,
  gross numeric(10, 2) NOT NULL,
  bank_account text NOT NULL
);
CREATE TABLE audit.log (
  id bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE audit.api_keys (id integer PRIMARY KEY, owner text NOT NULL, secret text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE public.audit_trail (id bigint PRIMARY KEY, at timestamptz NOT NULL, entry text NOT NULL);

CREATE VIEW analytics.daily_sales AS
  SELECT o.ordered_at::date AS day, s.region_id, count(*) AS orders, sum(o.total) AS revenue
  FROM public.orders o LEFT JOIN public.stores s ON s.id = o.store_id
  WHERE o.status <> 'cancelled' GROUP BY 1, 2;
CREATE VIEW analytics.customer_value AS
  SELECT c.id, c.name, c.city, c.segment, count(o.id) AS orders, coalesce(sum(o.total), 0) AS lifetime_value
  FROM public.customers c LEFT JOIN public.orders o ON o.customer_id = c.id GROUP BY c.id;
CREATE MATERIALIZED VIEW analytics.product_sales AS
  SELECT p.id, p.name, c.name AS category, sum(i.quantity) AS units, sum(i.quantity * i.unit_price) AS revenue
  FROM public.order_items i JOIN public.products p ON p.id = i.product_id JOIN public.categories c ON c.id = p.category_id
  GROUP BY p.id, p.name, c.name;
-- Harmless at first sight, and each leaks:
CREATE VIEW analytics.team AS SELECT e.id, e.name, e.salary FROM hr.employees e;
CREATE VIEW analytics.customer_export AS SELECT id, name, email, card_token AS token FROM public.customers;
CREATE VIEW analytics.team_report AS SELECT name, salary * 12 AS yearly FROM analytics.team;

CREATE FUNCTION public.net_price(gross numeric, vat numeric DEFAULT 0.19) RETURNS numeric
  LANGUAGE sql IMMUTABLE RETURN round(gross / (1 + vat), 2);
CREATE FUNCTION public.order_total(the_order bigint) RETURNS numeric
  LANGUAGE sql STABLE AS $$ SELECT sum(quantity * unit_price * (1 - discount)) FROM public.order_items WHERE order_id = the_order $$;
CREATE FUNCTION public.age_group(birth date) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN birth IS NULL THEN 'unknown' WHEN birth > current_date - interval '30 years' THEN 'under 30'
              WHEN birth > current_date - interval '60 years' THEN '30 to 59' ELSE '60 and over' END $$;
-- Reads what its caller must not see:
CREATE FUNCTION public.badge(employee integer) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT name || ' ' || national_id FROM hr.employees WHERE id = employee $$;

CREATE INDEX orders_customer_idx ON public.orders (customer_id);
CREATE INDEX orders_ordered_at_idx ON public.orders (ordered_at);
CREATE INDEX order_items_product_idx ON public.order_items (product_id);
COMMENT ON TABLE public.customers IS 'People who bought at least once, or registered';
COMMENT ON COLUMN public.customers.segment IS 'consumer, business or wholesale';
COMMENT ON COLUMN public.customers.password_hash IS 'Never shown to anyone';
COMMENT ON TABLE hr.employees IS 'Staff, with salaries';
