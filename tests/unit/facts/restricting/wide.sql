-- Conditions that restrict nothing: they take every row in, by what is written.
SELECT count(*) FROM web_events w WHERE true
SELECT count(*) FROM web_events w WHERE w.id = w.id
SELECT count(*) FROM web_events w WHERE id > 0
SELECT count(*) FROM web_events w WHERE id >= 1
SELECT count(*) FROM web_events w WHERE id > -5
SELECT count(*) FROM web_events w WHERE id IS NOT NULL
SELECT count(*) FROM web_events w WHERE customer_id IS NULL OR customer_id IS NOT NULL
SELECT count(*) FROM web_events w WHERE kind LIKE '%'
SELECT count(*) FROM web_events w WHERE kind LIKE '%%'
SELECT count(*) FROM web_events w WHERE kind LIKE '%_%'
SELECT count(*) FROM web_events w WHERE kind ILIKE '%'
SELECT count(*) FROM web_events w WHERE kind ~ ''
SELECT count(*) FROM web_events w WHERE kind ~ '.*'
SELECT count(*) FROM web_events w WHERE kind ~ '^'
SELECT count(*) FROM web_events w WHERE kind ~ '.?'
SELECT count(*) FROM web_events w WHERE kind ~ '(.*)'
SELECT count(*) FROM web_events w WHERE kind ~ 'x*'
SELECT count(*) FROM web_events w WHERE kind ~ 'a|'
SELECT count(*) FROM web_events w WHERE kind ~ '^.*$'
SELECT count(*) FROM web_events w WHERE kind ~ '.'
SELECT count(*) FROM web_events w WHERE kind ~* '[^q]?'
SELECT count(*) FROM web_events w WHERE kind SIMILAR TO '%'
SELECT count(*) FROM web_events w WHERE kind >= ''
SELECT count(*) FROM web_events w WHERE kind > ''
SELECT count(*) FROM web_events w WHERE kind <> ''
SELECT count(*) FROM web_events w WHERE kind NOT IN ('zzz')
SELECT count(*) FROM web_events w WHERE id <> 5
SELECT count(*) FROM web_events w WHERE NOT (id = 5)
SELECT count(*) FROM web_events w WHERE id BETWEEN 0 AND 99999999
SELECT count(*) FROM web_events w WHERE id BETWEEN -5 AND 99999999999
SELECT count(*) FROM web_events w WHERE occurred_at > '1970-01-01'
SELECT count(*) FROM web_events w WHERE occurred_at >= '1900-01-01' AND occurred_at < '2999-01-01'
SELECT count(*) FROM web_events w WHERE occurred_at > '-infinity'
SELECT count(*) FROM web_events w WHERE occurred_at BETWEEN '1900-01-01' AND '2500-01-01'
SELECT count(*) FROM web_events w WHERE occurred_at < 'infinity'
SELECT count(*) FROM web_events w WHERE occurred_at >= '0001-01-01'
SELECT count(*) FROM web_events w WHERE occurred_at::date >= date '1950-01-01'
SELECT count(*) FROM web_events w WHERE id < 5 OR id >= 5
SELECT count(*) FROM web_events w WHERE id <= 100 OR id > 50
SELECT count(*) FROM web_events w WHERE occurred_at < '2026-02-01' OR occurred_at >= '2026-02-01'
SELECT count(*) FROM web_events w WHERE kind = 'view' OR true
SELECT count(*) FROM web_events w WHERE kind = 'view' OR kind <> 'view'
SELECT count(*) FROM web_events w WHERE kind = 'view' OR NOT kind = 'view'
SELECT count(*) FROM web_events w WHERE payload @> '{}'
SELECT count(*) FROM web_events w WHERE payload @> '{}'::jsonb
SELECT count(*) FROM web_events w WHERE client_ip <<= '0.0.0.0/0'
SELECT count(*) FROM web_events w WHERE client_ip << '0.0.0.0/0'
SELECT count(*) FROM web_events w WHERE '0.0.0.0/0' >>= client_ip
SELECT count(*) FROM web_events w WHERE id IN (SELECT id FROM web_events)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers OFFSET 0)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers LIMIT 1000000000)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT generate_series(1, 1000000))
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers WHERE true OR id = 1)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers WHERE id > 0)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = w.customer_id)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT count(*) FROM customers c WHERE c.id = w.customer_id AND c.id = 1)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = 1)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = w.customer_id OFFSET 0)
SELECT count(*) FROM web_events w WHERE w.id + 0 = w.id
SELECT count(*) FROM web_events w WHERE w.id * 0 = 0
SELECT count(*) FROM web_events w WHERE w.id - w.id = 0
SELECT count(*) FROM web_events w WHERE left(kind, 0) = ''
SELECT count(*) FROM web_events w WHERE substr(kind, 1, 0) = ''
SELECT count(*) FROM web_events w WHERE kind || 'x' LIKE '%x'
SELECT count(*) FROM web_events w WHERE 'x' || kind LIKE 'x%'
SELECT count(*) FROM web_events w WHERE to_char(occurred_at, '') = ''
SELECT count(*) FROM web_events w WHERE to_char(occurred_at, '"x"') = 'x'
SELECT count(*) FROM web_events w WHERE date_part('millennium', occurred_at) = 3
SELECT count(*) FROM web_events w WHERE date_trunc('millennium', occurred_at) = '2001-01-01'
SELECT count(*) FROM web_events w WHERE extract(century from occurred_at) = 21
SELECT count(*) FROM web_events w WHERE id::integer::boolean = true
SELECT count(*) FROM web_events w WHERE (id = 1) IS NOT NULL
SELECT count(*) FROM web_events w WHERE coalesce(id, 0) > 0
SELECT count(*) FROM web_events w WHERE length(kind) > 0
SELECT count(*) FROM web_events w WHERE CASE WHEN id = 1 THEN true ELSE true END
SELECT count(*) FROM web_events w LEFT JOIN customers c ON c.id = w.customer_id AND w.id = 1
SELECT count(*) FROM web_events w JOIN customers c ON true WHERE c.id = 1
SELECT count(*) FROM web_events w JOIN customers c ON c.id = w.customer_id
SELECT count(*) FROM web_events w JOIN (SELECT * FROM customers LIMIT 10000000) c ON c.id = w.customer_id
SELECT count(*) FROM web_events w, web_events v WHERE w.id = 1
SELECT count(*) FROM web_events w LIMIT 1
SELECT count(*) FROM web_events GROUP BY kind HAVING count(*) > 1
SELECT kind FROM web_events WHERE id = 1 UNION SELECT kind FROM web_events
SELECT * FROM (SELECT * FROM web_events LIMIT 10) x WHERE kind = 'view'
SELECT * FROM (SELECT 5 AS id, kind FROM web_events) x WHERE id = 5
WITH x AS (SELECT * FROM web_events) SELECT (SELECT count(*) FROM x WHERE kind = 'view'), (SELECT count(*) FROM x)
WITH x AS (SELECT id FROM web_events) SELECT count(*) FROM web_events w JOIN x ON x.id = w.id
WITH x AS (SELECT 0 AS lo) SELECT count(*) FROM web_events w, x WHERE w.id > x.lo
WITH x AS (SELECT '1900-01-01'::timestamptz AS lo) SELECT count(*) FROM web_events w CROSS JOIN x WHERE w.occurred_at > x.lo
SELECT count(*) FROM web_events w WHERE kind ~ '\S'
SELECT count(*) FROM web_events w WHERE kind ~ '(?:.*)'
SELECT count(*) FROM web_events w WHERE kind ~ '(?i).*'
SELECT count(*) FROM web_events w WHERE kind ~ '(x|y)?'
SELECT count(*) FROM web_events w WHERE kind ~ 'x{0,3}'
SELECT count(*) FROM web_events w WHERE kind ~ '^(.|x)*$'
SELECT count(*) FROM web_events w WHERE kind LIKE ANY (ARRAY['%'])
SELECT count(*) FROM web_events w WHERE kind LIKE ANY ('{view,%}')
SELECT count(*) FROM web_events w WHERE id > ANY ('{0}')
SELECT count(*) FROM web_events w WHERE id >= ANY (ARRAY[0, 1])
SELECT count(*) FROM web_events w WHERE '{}' <@ payload
SELECT count(*) FROM web_events w WHERE kind ^@ ''
SELECT count(*) FROM web_events w WHERE starts_with(kind, '')
SELECT count(*) FROM web_events w WHERE regexp_like(kind, '.*')
SELECT count(*) FROM web_events w WHERE kind <= 'zzzz'
SELECT count(*) FROM web_events w WHERE kind > ' '
SELECT count(*) FROM web_events w WHERE id < 5 OR id = 5 OR id > 5
SELECT count(*) FROM web_events w WHERE kind <= 'm' OR kind > 'c'
SELECT count(*) FROM web_events w WHERE occurred_at < now() OR occurred_at >= now()
SELECT count(*) FROM web_events w WHERE (id < 5) IS TRUE OR id > 4
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers UNION SELECT 1)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers WHERE id < 9 OR id > 3)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT c.id FROM customers c WHERE c.id = w.customer_id LIMIT 1)
SELECT count(*) FROM web_events w WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = w.customer_id LIMIT 1)
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT c.id FROM customers c LEFT JOIN orders o ON o.id = 1)
SELECT count(*) FROM web_events w WHERE right(kind, -100) = ''
SELECT count(*) FROM web_events w WHERE to_char(occurred_at, '"a""b"') = 'ab'
SELECT count(*) FROM web_events w WHERE payload ?& '{}'
SELECT count(*) FROM web_events w WHERE customer_id IN (SELECT id FROM customers LIMIT 1e9)
SELECT count(*) FROM web_events w WHERE kind SIMILAR TO '%_%'
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at) BETWEEN 1 AND 12
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at)::int IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
SELECT count(*) FROM web_events w WHERE extract(hour FROM occurred_at) < 24
SELECT count(*) FROM web_events w WHERE date_part('dow', occurred_at) >= 0
SELECT count(*) FROM web_events w WHERE extract(hour FROM occurred_at) < 12 OR extract(hour FROM occurred_at) >= 12
SELECT count(*) FROM web_events w WHERE tstzrange(NULL, NULL) @> occurred_at
SELECT count(*) FROM web_events w WHERE tstzrange('-infinity', 'infinity', '[]') @> occurred_at
SELECT count(*) FROM web_events w WHERE occurred_at <@ tstzrange('1900-01-01', NULL)
SELECT count(*) FROM web_events w WHERE '["1900-01-01","2999-01-01")'::tstzrange @> occurred_at
SELECT count(*) FROM web_events w WHERE id % 1 = 0
SELECT count(*) FROM web_events w WHERE id % 10 >= 0
SELECT count(*) FROM web_events w WHERE mod(id, 10) < 10
SELECT count(*) FROM web_events w WHERE mod(id, 2) IN (0, 1)
SELECT count(*) FROM web_events w WHERE 10 % id >= 0
SELECT count(*) FROM web_events w WHERE length(path) >= 1
SELECT count(*) FROM web_events w WHERE length(path) < 100000
SELECT count(*) FROM web_events w WHERE strpos(path, 'shop') >= 0
SELECT count(*) FROM web_events w WHERE strpos(path, '') > 0
SELECT count(*) FROM web_events w WHERE position('' IN path) = 1
SELECT count(*) FROM web_events w WHERE split_part(path, 'no such text', 2) = ''
SELECT count(*) FROM web_events w WHERE split_part(path, '', 1) LIKE '/%'
SELECT count(*) FROM web_events w WHERE coalesce(kind, '') > ''
SELECT count(*) FROM web_events w WHERE coalesce(kind, kind) = kind
SELECT count(*) FROM web_events w WHERE nullif(kind, kind) IS NULL
SELECT count(*) FROM web_events w WHERE now() - occurred_at >= interval '0 days'
SELECT count(*) FROM web_events w WHERE now() - occurred_at > '00:00:00'
SELECT count(*) FROM web_events w WHERE age(occurred_at) < interval '100 years'
SELECT count(*) FROM web_events w WHERE age(occurred_at) > interval '-1 day'
SELECT count(*) FROM web_events w JOIN generate_series(1, 1000000) g ON g = w.id
SELECT count(*) FROM generate_series(0, 0) g JOIN web_events w ON w.id > g
SELECT count(*) FROM generate_series(date '1900-01-01', '2999-01-01', '1 day') d JOIN web_events w ON w.occurred_at::date = d
SELECT count(*) FROM generate_series(date '1900-01-01', '2026-01-01', '50 years') d JOIN web_events w ON w.occurred_at >= d
SELECT count(*) FROM web_events w, generate_series(w.id, w.id) g WHERE w.id = g
SELECT count(*) FROM web_events w, LATERAL generate_series(1, (SELECT count(*) FROM web_events v WHERE v.id = w.id)) g WHERE w.id >= g
SELECT count(*) FROM web_events w WHERE (w.payload) IS NOT NULL
WITH d AS (SELECT g FROM generate_series(0, 0) g) SELECT count(*) FROM web_events w JOIN d ON w.id > d.g
SELECT count(*) FROM generate_series(0, 900000) g JOIN web_events w ON w.occurred_at::date = date '0001-01-01' + g
SELECT count(*) FROM generate_series(1, 2) g JOIN web_events w ON w.id > g - 5
SELECT count(*) FROM generate_series(1, 2) g, generate_series(1, 2) h JOIN web_events w ON true WHERE w.id > g * h
SELECT count(*) FROM web_events w WHERE abs(id) >= 0
SELECT count(*) FROM web_events w WHERE abs(id) > 0
SELECT count(*) FROM web_events w WHERE floor(id) > 0
SELECT count(*) FROM web_events w WHERE abs(hashtext(session_id::text)) % 1 = 0
SELECT count(*) FROM web_events w WHERE md5(left(kind, 0)) = 'd41d8cd98f00b204e9800998ecf8427e'
SELECT count(*) FROM web_events w WHERE network(set_masklen(client_ip, 0)) = '0.0.0.0/0'
SELECT count(*) FROM web_events w WHERE (id > 0)::boolean
SELECT count(*) FROM web_events w WHERE id::int::boolean
SELECT count(*) FROM web_events w WHERE id / 1000000000 = 0
SELECT count(*) FROM web_events w WHERE 1.0 / id > 0
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at) = ANY ('{1,2,3,4,5,6,7,8,9,10,11,12}')
SELECT count(*) FROM web_events w WHERE extract(month FROM occurred_at)::int = ANY (ARRAY[1,2,3,4,5,6,7,8,9,10,11,12])
SELECT count(*) FROM web_events w WHERE id % 2 = ANY ('{0,1,-1}'::int[])
SELECT count(*) FROM web_events w WHERE extract(quarter FROM occurred_at) >= ANY ('{99,0}')
SELECT count(*) FROM web_events w WHERE extract(quarter FROM occurred_at) = ANY (string_to_array('1,2,3,4', ',')::int[])
