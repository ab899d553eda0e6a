-- Conditions that restrict, as analysts write them.
SELECT count(*) FROM web_events w WHERE id = 5
SELECT count(*) FROM web_events w WHERE kind = 'view'
SELECT count(*) FROM web_events w WHERE kind IN ('view', 'cart')
SELECT count(*) FROM web_events w WHERE kind = ANY ('{view}')
SELECT count(*) FROM web_events w WHERE kind LIKE 'vi%'
SELECT count(*) FROM web_events w WHERE kind ILIKE '%cart%'
SELECT count(*) FROM web_events w WHERE path ~ '^/shop/[0-9]+$'
SELECT count(*) FROM web_events w WHERE path ~ '^/(shop|cart)'
SELECT count(*) FROM web_events w WHERE path ~ '^/shop/[[:digit:]]+'
SELECT count(*) FROM web_events w WHERE path ~ '\d{3,}'
SELECT count(*) FROM web_events w WHERE path ~ '^/$'
SELECT count(*) FROM web_events w WHERE path SIMILAR TO '/(shop|cart)/%'
SELECT count(*) FROM web_events w WHERE starts_with(path, '/shop')
SELECT count(*) FROM web_events w WHERE path ^@ '/shop'
SELECT count(*) FROM web_events w WHERE occurred_at >= '2026-01-01'
SELECT count(*) FROM web_events w WHERE occurred_at >= '2026-01-01' AND occurred_at < '2026-02-01'
SELECT count(*) FROM web_events w WHERE occurred_at BETWEEN '2026-01-01' AND '2026-02-01'
SELECT count(*) FROM web_events w WHERE occurred_at < '2026-02-01'
SELECT count(*) FROM web_events w WHERE occurred_at >= now() - interval '7 days'
SELECT count(*) FROM web_events w WHERE occurred_at > current_date - 30
SELECT count(*) FROM web_events w WHERE occurred_at > current_date - interval '1 year'
SELECT count(*) FROM web_events w WHERE occurred_at < now() - interval '90 days'
SELECT count(*) FROM web_events w WHERE occurred_at >= date_trunc('month', now())
SELECT count(*) FROM web_events w WHERE occurred_at::date = current_date
SELECT count(*) FROM web_events w WHERE date_trunc('day', occurred_at) = '2026-01-05'
SELECT count(*) FROM web_events w WHERE date_trunc('month', occurred_at) >= '2026-01-01'
SELECT count(*) FROM web_events w WHERE extract(year from occurred_at) = 2026
SELECT count(*) FROM web_events w WHERE extract(hour from occurred_at) BETWEEN 9 AND 17
SELECT count(*) FROM web_events w WHERE to_char(occurred_at, 'YYYY-MM') = '2026-01'
SELECT count(*) FROM web_events w WHERE customer_id IS NULL
SELECT count(*) FROM web_events w WHERE customer_id = 3 OR customer_id = 4
SELECT count(*) FROM web_events w WHERE occurred_at < '2026-01-05' OR occurred_at >= '2026-03-01'
SELECT count(*) FROM web_events w WHERE payload @> '{"a": 1}'
SELECT count(*) FROM web_events w WHERE payload ->> 'ref' = 'mail'
SELECT count(*) FROM web_events w WHERE payload ? 'ref'
SELECT count(*) FROM web_events w WHERE client_ip <<= '10.0.0.0/8'
SELECT count(*) FROM web_events w WHERE client_ip = '10.0.0.1'
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers WHERE segment = 'business')
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers ORDER BY created_at DESC LIMIT 10)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = w.customer_id AND c.segment = 'business')
SELECT count(*) FROM web_events w WHERE session_id = $1
SELECT count(*) FROM web_events w WHERE occurred_at >= $1 AND occurred_at < $2
SELECT count(*) FROM web_events w WHERE id > 500000
SELECT count(*) FROM web_events w WHERE lower(kind) = 'view'
SELECT count(*) FROM web_events w WHERE (kind, path) = ('view', '/')
SELECT count(*) FROM web_events w WHERE (occurred_at, id) < ('2026-02-01', 500)
SELECT count(*) FROM web_events w WHERE occurred_at > (SELECT max(ordered_at) - interval '1 day' FROM orders)
SELECT count(*) FROM web_events w JOIN customers c ON c.id = w.customer_id WHERE c.segment = 'business'
SELECT count(*) FROM customers c LEFT JOIN web_events w ON w.customer_id = c.id AND w.kind = 'view'
SELECT count(*) FROM web_events w JOIN (SELECT * FROM customers ORDER BY id LIMIT 10) c ON c.id = w.customer_id
SELECT * FROM (SELECT * FROM web_events) x WHERE kind = 'view'
SELECT count(*) FROM web_events_2026_01 WHERE kind = 'view'
WITH x AS (SELECT '2026-01-01'::timestamptz AS lo) SELECT count(*) FROM web_events w CROSS JOIN x WHERE w.occurred_at > x.lo
SELECT kind, count(*) FROM web_events GROUP BY kind HAVING kind = 'view'
SELECT count(*) FROM web_events w WHERE kind ~ '^v'
SELECT count(*) FROM web_events w WHERE kind ~ '\d'
SELECT count(*) FROM web_events w WHERE kind ~ '(view|cart)'
SELECT count(*) FROM web_events w WHERE kind ~ '[vc]'
SELECT count(*) FROM web_events w WHERE kind ~ 'x+'
SELECT count(*) FROM web_events w WHERE kind LIKE '____'
SELECT count(*) FROM web_events w WHERE kind LIKE 'a%' OR kind LIKE 'b%'
SELECT count(*) FROM web_events w WHERE kind LIKE ANY (ARRAY['vi%', 'ca%'])
SELECT count(*) FROM web_events w WHERE id < 5 OR id > 1000
SELECT count(*) FROM web_events w WHERE kind < 'b' OR kind > 'y'
SELECT count(*) FROM web_events w WHERE id = ANY ('{1,2}')
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers WHERE id = 1 UNION SELECT 7)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers EXCEPT SELECT 1) AND kind = 'view'
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT c.id FROM customers c JOIN (SELECT id FROM customers ORDER BY created_at LIMIT 5) x ON x.id = c.id)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT customer_id FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE segment = 'business'))
SELECT count(*) FROM web_events w WHERE left(kind, 2) = 'vi'
SELECT count(*) FROM web_events w WHERE to_char(occurred_at, 'IYYY-"W"IW') = '2026-W03'
SELECT count(*) FROM web_events w WHERE occurred_at <@ tstzrange('2026-01-01', '2026-02-01')
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT unnest(ARRAY[1, 2, 3]))
SELECT count(*) FROM web_events w WHERE kind SIMILAR TO '(view|cart)%'
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers LIMIT $1)
SELECT count(*) FROM web_events w WHERE coalesce(kind, '') = 'view'
SELECT count(*) FROM web_events w WHERE nullif(path, '') = '/'
SELECT count(*) FROM web_events w WHERE split_part(path, '/', 2) = 'cart'
SELECT count(*) FROM web_events w WHERE position('shop' IN path) > 0
SELECT count(*) FROM web_events w WHERE strpos(path, 'shop') > 0
SELECT count(*) FROM web_events w WHERE length(path) > 10
SELECT count(*) FROM web_events w WHERE jsonb_array_length(payload -> 'items') > 0
SELECT count(*) FROM web_events w WHERE (payload -> 'items' -> 0 ->> 'sku') IS NOT NULL
SELECT count(*) FROM web_events w WHERE id % 10 = 0
SELECT count(*) FROM web_events w WHERE mod(id, 100) < 5
SELECT count(*) FROM web_events w WHERE now() - occurred_at < interval '1 day'
SELECT count(*) FROM web_events w WHERE current_date - occurred_at::date <= 7
SELECT count(*) FROM web_events w WHERE age(occurred_at) < interval '1 month'
SELECT count(*) FROM web_events w WHERE age(now(), occurred_at) BETWEEN interval '1 day' AND interval '7 days'
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at) IN (6, 7, 8)
SELECT count(*) FROM web_events w WHERE extract(dow FROM occurred_at) BETWEEN 1 AND 5
SELECT count(*) FROM web_events w WHERE date_part('hour', occurred_at)::int >= 18
SELECT count(*) FROM web_events w WHERE tstzrange('2026-01-01', NULL) @> occurred_at
SELECT count(*) FROM web_events w WHERE tstzrange($1, $2) @> occurred_at
SELECT d, count(w.id) FROM generate_series(date '2026-01-01', '2026-01-07', '1 day') d LEFT JOIN web_events w ON w.occurred_at::date = d GROUP BY d
SELECT d, count(w.id) FROM generate_series(now() - interval '7 days', now(), '1 day') d LEFT JOIN web_events w ON date_trunc('day', w.occurred_at) = date_trunc('day', d) GROUP BY d
SELECT d, count(w.id) FROM generate_series(date '2026-01-01', '2026-01-07', '1 day') d LEFT JOIN web_events w ON w.occurred_at >= d AND w.occurred_at < d + interval '1 day' GROUP BY d
WITH days AS (SELECT day::date FROM generate_series(date '2026-01-01', '2026-01-07', '1 day') AS day) SELECT day, count(w.id) FROM days LEFT JOIN web_events w ON w.occurred_at >= days.day AND w.occurred_at < days.day + 1 GROUP BY 1
SELECT date '2026-01-01' + g AS day, count(w.id) FROM generate_series(0, 30) g LEFT JOIN web_events w ON w.occurred_at::date = date '2026-01-01' + g GROUP BY 1
WITH days AS (SELECT date '2026-01-01' + g AS day FROM generate_series(0, 30) g) SELECT day, count(w.id) FROM days LEFT JOIN web_events w ON w.occurred_at::date = day GROUP BY 1
WITH days AS (SELECT current_date - g AS day FROM generate_series(0, 6) g) SELECT day, count(w.id) FROM days LEFT JOIN web_events w ON w.occurred_at >= day AND w.occurred_at < day + 1 GROUP BY 1
SELECT count(*) FROM web_events w WHERE md5(session_id::text) LIKE 'a%'
SELECT count(*) FROM web_events w WHERE abs(hashtext(session_id::text)) % 100 < 5
SELECT count(*) FROM web_events w WHERE (payload ->> 'ok')::boolean
SELECT count(*) FROM web_events w WHERE (payload ->> 'ok')::boolean IS TRUE AND customer_id > 0
SELECT count(*) FROM web_events w WHERE round(extract(epoch FROM now() - occurred_at) / 3600) < 24
SELECT count(*) FROM web_events w WHERE network(set_masklen(client_ip, 24)) = '10.0.0.0/24'
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at) = ANY ('{3,4}')
SELECT count(*) FROM web_events w WHERE extract(quarter FROM occurred_at)::int = ANY (ARRAY[1,2])
SELECT count(*) FROM web_events w WHERE id % 10 = ANY ('{0,5}')
SELECT count(*) FROM web_events w WHERE extract(quarter FROM occurred_at) >= ANY (ARRAY[3,4])
SELECT count(*) FROM web_events w WHERE extract(hour FROM occurred_at) = ANY ('{18,19,20}'::int[])
