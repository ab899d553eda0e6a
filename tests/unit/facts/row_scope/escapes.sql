-- Statements that leave a scan of a shared table unheld, one on a line: each is refused with where/missing.
SELECT sum(total) FROM orders
SELECT sum(total) FROM orders WHERE tenant_id = tenant_id
SELECT sum(total) FROM orders o WHERE o.tenant_id = 1 OR true
SELECT sum(total) FROM orders o WHERE o.tenant_id = 1 OR total > 5
SELECT sum(total) FROM orders WHERE tenant_id IS NOT NULL
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 0 AND 1000
SELECT sum(total) FROM orders WHERE tenant_id > 0
SELECT sum(total) FROM orders WHERE tenant_id <> 1
SELECT sum(total) FROM orders WHERE NOT (tenant_id = 1)
SELECT sum(total) FROM orders WHERE tenant_id NOT IN (1)
SELECT sum(total) FROM orders WHERE tenant_id <> ALL (ARRAY[1])
SELECT sum(total) FROM orders WHERE tenant_id = ALL ('{}'::int[])
SELECT sum(total) FROM orders WHERE tenant_id >= ANY (ARRAY[1])
SELECT sum(total) FROM orders WHERE tenant_id = ANY (ARRAY[1, tenant_id])
SELECT sum(total) FROM orders WHERE tenant_id IN (1, tenant_id)
SELECT sum(total) FROM orders WHERE 1 IN (tenant_id, 1)
SELECT sum(total) FROM orders WHERE 1 = ANY (ARRAY[tenant_id, 1])
SELECT sum(total) FROM orders WHERE tenant_id IN (1, id)
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT tenant_id FROM customers WHERE country = 'DE')
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT generate_series(1, 100))
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT id FROM regions)
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT orders.tenant_id FROM regions)
SELECT sum(total) FROM orders WHERE tenant_id IN (VALUES (1), (orders.tenant_id))
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT max(id) FROM regions)
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT orders.tenant_id)
SELECT sum(total) FROM orders WHERE tenant_id = 1 OR EXISTS (SELECT 1 FROM regions)
SELECT sum(total) FROM orders WHERE tenant_id IS DISTINCT FROM 1
SELECT sum(total) FROM orders WHERE coalesce(tenant_id, 1) = 1
SELECT sum(total) FROM orders WHERE nullif(tenant_id, 5) = 1
SELECT sum(total) FROM orders WHERE abs(tenant_id) = 1
SELECT sum(total) FROM orders WHERE tenant_id % 2 = 1
SELECT sum(total) FROM orders WHERE tenant_id * 0 = 0
SELECT sum(total) FROM orders WHERE (tenant_id = 1) IS NOT NULL
SELECT sum(total) FROM orders WHERE (tenant_id = 1) IS NOT TRUE
SELECT sum(total) FROM orders WHERE (tenant_id = 1) IS FALSE
SELECT sum(total) FROM orders WHERE (tenant_id = 1) IN (true, false)
SELECT sum(total) FROM orders WHERE CASE WHEN tenant_id = 1 THEN true ELSE true END
SELECT sum(total) FROM orders WHERE tenant_id::numeric(5, -1) = 0
SELECT sum(total) FROM orders WHERE (tenant_id::numeric(5, -1), id) IN (SELECT 0, id FROM orders WHERE tenant_id = 1)
SELECT * FROM (SELECT tenant_id::numeric(5, -1) AS t, total FROM orders) q WHERE t = 0
SELECT * FROM (SELECT tenant_id, sum(total) OVER (PARTITION BY tenant_id::numeric(5, -1)) FROM orders) q WHERE tenant_id = 1
SELECT count(*) FROM (SELECT tenant_id::numeric(5, -1) AS t FROM orders) q JOIN (VALUES (0)) v (t) USING (t)
SELECT sum(total) FROM orders WHERE tenant_id::text LIKE '%'
SELECT sum(total) FROM orders WHERE (tenant_id, id) > (1, 0)
SELECT sum(total) FROM orders WHERE (tenant_id, id) <> (1, 0)
SELECT sum(total) FROM orders WHERE (tenant_id, id) IN ((1, 5), (tenant_id, 6))
SELECT sum(total) FROM orders WHERE tenant_id = NULL OR tenant_id IS NULL OR id > 0
SELECT sum(total) FROM orders WHERE tenant_id = '1'::text
SELECT sum(total) FROM orders WHERE tenant_id OPERATOR(public.=) '1'::text
SELECT sum(total) FROM orders WHERE tenant_id IN ('1'::text)
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT 'x'::text)
SELECT sum(total) FROM orders WHERE tenant_id > ANY (SELECT 1)
SELECT sum(total) FROM orders WHERE tenant_id = ALL (SELECT 1 WHERE false)
SELECT sum(total) FILTER (WHERE tenant_id = 1) FROM orders
SELECT CASE WHEN tenant_id = 1 THEN total END FROM orders
SELECT count(*) FROM orders a, orders b WHERE a.tenant_id = 1
SELECT count(*) FROM orders a JOIN orders b ON a.id = b.id WHERE a.tenant_id = 1
SELECT count(*) FROM orders o JOIN payments p USING (id) WHERE o.tenant_id = 1
SELECT count(*) FROM orders o JOIN payments p ON p.tenant_id <= o.tenant_id WHERE o.tenant_id = 1
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND o.tenant_id = 1 AND p.tenant_id = 1
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND o.tenant_id = 1 WHERE o.tenant_id = 1
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.tenant_id = 1 AND (p.tenant_id = 1 OR p.tenant_id IS NULL)
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.tenant_id = 1 AND coalesce(p.tenant_id, 1) = 1
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.tenant_id = 1 AND p.tenant_id IS NOT DISTINCT FROM $1
SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.tenant_id = 1 AND p.tenant_id IS NOT DISTINCT FROM NULL
SELECT o.id FROM orders o LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND p.tenant_id = 1 WHERE p.id IS NULL
SELECT o.id FROM orders o FULL JOIN payments p ON o.tenant_id = 1 AND p.tenant_id = 1 AND o.id = p.order_id
SELECT o.id FROM orders o FULL JOIN payments p ON o.id = p.id WHERE o.tenant_id = 1
SELECT count(*) FROM orders o FULL JOIN payments p USING (tenant_id, id) WHERE id = 5
SELECT o.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o RIGHT JOIN payments p ON p.tenant_id = o.tenant_id
SELECT c.id FROM customers c LEFT JOIN (payments p LEFT JOIN orders o ON o.tenant_id = p.tenant_id) ON c.id = p.id AND p.tenant_id = 1
SELECT count(*) FROM orders AS o (tenant_id, id) WHERE tenant_id = 1
SELECT count(*) FROM orders AS o (id, x, tenant_id) WHERE tenant_id = 1
SELECT count(*) FROM (SELECT id, 1 AS tenant_id FROM orders) o WHERE tenant_id = 1
WITH o AS (SELECT 1 AS tenant_id, total FROM orders) SELECT sum(total) FROM o WHERE tenant_id = 1
WITH o (tenant_id, id) AS (SELECT id, tenant_id FROM orders) SELECT count(*) FROM o WHERE tenant_id = 1
SELECT count(*) FROM (SELECT * FROM orders LIMIT 10) q WHERE tenant_id = 1
SELECT count(*) FROM (SELECT * FROM orders OFFSET 10) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, rank() OVER (ORDER BY total) FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, rank() OVER (PARTITION BY tenant_id), sum(total) OVER () FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, count(*) OVER (PARTITION BY tenant_id + 0) FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT DISTINCT ON (customer_id) tenant_id, total FROM orders ORDER BY customer_id, total) q WHERE tenant_id = 1
SELECT * FROM (SELECT max(tenant_id) AS tenant_id, sum(total) FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, sum(total) FROM orders GROUP BY ROLLUP (tenant_id)) q WHERE tenant_id = 1 OR tenant_id IS NULL
SELECT * FROM (SELECT min(tenant_id) AS tenant_id, sum(total) FROM orders GROUP BY status) q WHERE tenant_id = 1
SELECT * FROM (SELECT generate_series(1, tenant_id) AS tenant_id, total FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, (SELECT sum(total) FROM orders) FROM customers) q WHERE tenant_id = 1
SELECT id FROM orders WHERE tenant_id = 1 UNION ALL SELECT id FROM orders
SELECT * FROM (SELECT tenant_id, id FROM orders UNION ALL SELECT 1, id FROM payments) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders UNION ALL (SELECT tenant_id, id FROM payments LIMIT 3)) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders UNION SELECT id::int, tenant_id FROM payments) q WHERE tenant_id = 1
SELECT * FROM ((SELECT tenant_id, id FROM orders UNION SELECT tenant_id, id FROM payments) ORDER BY 2 LIMIT 3) q WHERE tenant_id = 1
SELECT id FROM orders o WHERE tenant_id = 1 AND EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id)
SELECT id FROM customers o WHERE tenant_id = 1 AND EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = o.tenant_id)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = 1)
SELECT id FROM orders o WHERE EXISTS (SELECT count(*) FROM customers c WHERE c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.tenant_id = o.tenant_id AND c.tenant_id = 1 GROUP BY ())
SELECT id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM regions r LEFT JOIN customers c ON c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT id FROM orders o WHERE tenant_id NOT IN (SELECT tenant_id FROM customers WHERE tenant_id = 1)
SELECT c.id, (SELECT sum(o.total) FROM orders o WHERE o.customer_id = c.id) FROM customers c WHERE c.tenant_id = 1
SELECT c.id, (SELECT sum(o.total) FROM orders o WHERE c.tenant_id = 1) FROM customers c WHERE c.tenant_id = 1
SELECT c.id, (SELECT sum(o.total) FROM orders o WHERE o.tenant_id = c.tenant_id) FROM customers c
SELECT c.id, (SELECT sum(o.total) FROM orders o WHERE o.tenant_id = c.tenant_id) FROM customers c LIMIT (SELECT count(*) FROM payments)
SELECT c.id, x.total FROM customers c, LATERAL (SELECT o.total FROM orders o WHERE o.customer_id = c.id) x WHERE c.tenant_id = 1
SELECT c.id, x.total FROM customers c, LATERAL (SELECT c.tenant_id AS tenant_id, o.total FROM orders o) x WHERE c.tenant_id = 1 AND x.tenant_id = 1
SELECT c.id, x.total FROM regions c, LATERAL (SELECT o.total FROM orders o WHERE o.tenant_id = c.id) x
SELECT c.id FROM regions c WHERE c.id IN (SELECT tenant_id FROM orders) AND c.id = 1
WITH o AS (SELECT * FROM orders) SELECT (SELECT count(*) FROM o WHERE tenant_id = 1), (SELECT count(*) FROM o)
WITH o AS (SELECT * FROM orders) SELECT a.id FROM o a JOIN o b ON a.id = b.id WHERE a.tenant_id = 1
WITH o AS (SELECT count(*) AS n FROM orders) SELECT n FROM o, (SELECT 1 AS tenant_id) t WHERE t.tenant_id = 1
WITH RECURSIVE t AS (SELECT id, tenant_id FROM customers UNION SELECT c.id, c.tenant_id FROM customers c JOIN t ON c.referred_by = t.id) SELECT id FROM t WHERE tenant_id = 1
WITH RECURSIVE t AS (SELECT id, tenant_id FROM customers WHERE tenant_id = 1 UNION SELECT c.id, c.tenant_id FROM customers c JOIN t ON c.referred_by = t.id) SELECT id FROM t WHERE tenant_id = 1
WITH RECURSIVE t AS (SELECT id, tenant_id FROM customers WHERE tenant_id = 1 UNION SELECT c.id, t.tenant_id FROM customers c, t WHERE c.referred_by = t.id) SELECT id FROM t WHERE tenant_id = 1
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(total) FROM orders o JOIN t ON t.n = o.tenant_id
SELECT sum(total) FROM orders o JOIN generate_series(1, 100) g ON g = o.tenant_id
SELECT sum(total) FROM orders o JOIN (VALUES (1), (2 + (random() * 9)::int)) t (n) ON t.n = o.tenant_id
SELECT sum(total) FROM orders o JOIN (SELECT 1 AS n UNION ALL SELECT id FROM regions) t ON t.n = o.tenant_id
SELECT count(*) FROM tenant_orders
SELECT count(*) FROM latest_orders WHERE tenant_id = 1
SELECT n FROM tenant_sums WHERE tenant_id > 0
SELECT name, lifetime_value FROM analytics.customer_value WHERE id = 1
SELECT count(*) FROM orders TABLESAMPLE SYSTEM (50)
SELECT sum(total) FROM orders WHERE tenant_id = current_setting('app.tenant')::int
SELECT array(SELECT total FROM orders) FROM customers WHERE tenant_id = 1
SELECT id FROM customers WHERE tenant_id = 1 ORDER BY (SELECT count(*) FROM orders o WHERE o.customer_id = customers.id)
SELECT sum(p.amount) FROM regions v, payments p WHERE p.tenant_id IN (SELECT v.id FROM stores WHERE v.id = 1 HAVING true)
SELECT sum(p.amount) FROM regions v, payments p WHERE p.tenant_id IN (SELECT v.id FROM stores WHERE v.id = 1 ORDER BY count(*))
SELECT sum(p.amount) FROM regions v, LATERAL (SELECT v.id AS x FROM stores WHERE v.id = 1 HAVING true) d JOIN payments p ON p.tenant_id = d.x
SELECT sum(p.amount) FROM regions v, LATERAL (SELECT v.id AS x, (array_agg(s.id))[1] FROM stores s WHERE v.id = 1) d JOIN payments p ON p.tenant_id = d.x
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT (array_agg(r.id))[1] FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT 1 FROM regions r WHERE r.id = o.tenant_id AND r.id = 1 ORDER BY count(*))
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT (SELECT count(r.id)) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT xmlagg(NULL) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT json_arrayagg(r.id) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT array(SELECT 1 ORDER BY count(r.id)) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT CASE WHEN count(*) > 0 THEN 1 END FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT (count(*), 1) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT count(*)::text COLLATE "C" FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT 1 IN (SELECT count(r.id)) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT sum(count(*)) OVER () FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT rank() OVER (ORDER BY count(*)) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT row_number() OVER w FROM regions r WHERE r.id = o.tenant_id AND r.id = 1 WINDOW w AS (ORDER BY count(*)))
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT DISTINCT ON (count(*)) 1 FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT r.*::text FROM regions r WHERE r.id = o.tenant_id AND r.id = 1 GROUP BY GROUPING SETS ((r.*), ()))
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT generate_series(1, count(*)::int + 1) FROM regions r WHERE r.id = o.tenant_id AND r.id = 1)
SELECT sum(total) FROM orders o WHERE o.tenant_id IN (SELECT o.tenant_id FROM regions r WHERE o.tenant_id = 1 HAVING true)
SELECT sum(total) FROM orders o WHERE (o.tenant_id, 0) IN (SELECT o.tenant_id, count(*) FROM regions r WHERE o.tenant_id = 1 AND false)
SELECT sum(total) FROM orders o JOIN LATERAL (SELECT o.tenant_id AS t FROM regions WHERE o.tenant_id = 1 HAVING true) x ON x.t = o.tenant_id
SELECT * FROM (SELECT DISTINCT ON (tenant_id) tenant_id, id FROM orders ORDER BY tenant_id, total > avg(total) OVER (), id) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, CASE WHEN true THEN sum(o.total) OVER () END FROM orders o) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, (sum(o.total) OVER w)::text FROM orders o WINDOW w AS ()) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, sum(o.total) OVER (w ORDER BY id) FROM orders o WINDOW w AS (PARTITION BY status)) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, sum(o.total) OVER (PARTITION BY tenant_id), sum(total) OVER (PARTITION BY tenant_id + 0 * id) FROM orders o) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, sum(o.total) OVER (PARTITION BY tenant_id::numeric(5,-3)) FROM orders o) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, sum(total) OVER (PARTITION BY tenant_id / 100) FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id::numeric(5,-3) AS tenant_id, sum(total) FROM orders GROUP BY 1) q WHERE tenant_id = 0
SELECT * FROM (SELECT DISTINCT tenant_id, sum(total) OVER () FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, lag(total) OVER (ORDER BY id) FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders ORDER BY total FETCH FIRST 3 ROWS WITH TIES) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders ORDER BY total OFFSET 3) q WHERE tenant_id = 1
SELECT * FROM (TABLE orders ORDER BY total LIMIT 3) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, count(*) FROM orders GROUP BY CUBE (tenant_id, status)) q WHERE tenant_id = 1
SELECT * FROM (SELECT coalesce(tenant_id, 1) AS tenant_id, count(*) FROM orders GROUP BY ROLLUP (tenant_id)) q WHERE tenant_id = 1
SELECT sum(total) FROM orders WHERE tenant_id::numeric(5,-3) = 0
SELECT sum(total) FROM orders WHERE CAST(tenant_id AS numeric(1,-1)) = 0
SELECT sum(total) FROM orders WHERE tenant_id::text::char(1) <> ''
SELECT sum(total) FROM orders WHERE tenant_id::bool = true
SELECT sum(total) FROM orders WHERE (tenant_id::bool)::int = 1
SELECT sum(total) FROM orders o JOIN (SELECT tenant_id::numeric(5,-3) AS t FROM orders) x ON x.t = o.tenant_id WHERE x.t = 0
SELECT sum(total) FROM orders o JOIN products p ON p.price::numeric(10,-6) = o.tenant_id::numeric(10,-6) WHERE p.price = 1
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND o.tenant_id IS NOT DISTINCT FROM NULL
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND o.tenant_id IS NOT DISTINCT FROM (SELECT 1 WHERE false)
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND (o.tenant_id = 1 OR o.tenant_id IS NULL)
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND (o.tenant_id = 1) IS NOT FALSE
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND coalesce(o.tenant_id, 1) = 1
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND NOT (o.tenant_id <> 1)
SELECT c.id FROM customers c LEFT JOIN (SELECT o.*, 1 AS one FROM orders o) o ON o.customer_id = c.id WHERE c.tenant_id = 1 AND o.one IS NULL
SELECT c.id FROM customers c LEFT JOIN (SELECT o.customer_id, 1 AS tenant_id FROM orders o) o USING (tenant_id) WHERE tenant_id = 1
SELECT c.id FROM customers c LEFT JOIN (SELECT o.id, o.tenant_id, o.customer_id FROM orders o) o ON o.customer_id = c.id AND o.tenant_id = 1 OR true WHERE c.tenant_id = 1
SELECT c.id FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.tenant_id = 1 AND c.tenant_id = 1
SELECT c.id FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.tenant_id = 1 WHERE c.tenant_id = 1
SELECT c.id FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.tenant_id = c.tenant_id WHERE c.tenant_id = 1
SELECT c.id, o.id FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.tenant_id = c.tenant_id WHERE c.tenant_id = 1 OR o.tenant_id = 1
SELECT c.id, o.id FROM (SELECT id, tenant_id x FROM customers) c FULL JOIN (SELECT tenant_id x, id FROM orders) o USING (id) WHERE c.x = 1
SELECT c.id, o.id FROM (SELECT id, tenant_id x FROM customers) c FULL JOIN (SELECT tenant_id y, id FROM orders) o USING (id) WHERE coalesce(c.x, o.y) = 1
SELECT id FROM (SELECT id, tenant_id x FROM customers) c FULL JOIN (SELECT tenant_id y, id FROM orders) o USING (id) WHERE id = 1
SELECT r.id, o.id FROM regions r LEFT JOIN orders o ON o.tenant_id = r.id LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND o.tenant_id = 1
SELECT r.id, count(p.id) FROM regions r LEFT JOIN payments p ON p.tenant_id = r.id AND r.id = 1 RIGHT JOIN payments q ON q.tenant_id = p.tenant_id GROUP BY r.id
SELECT * FROM (SELECT tenant_id, json_arrayagg(total) OVER () FROM orders GROUP BY tenant_id, total) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, json_arrayagg(total) OVER () FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, json_objectagg(id: total) OVER (PARTITION BY status) FROM orders GROUP BY tenant_id, total, id) q WHERE tenant_id = 1
SELECT (SELECT (SELECT sum(p.amount) FROM payments p WHERE p.tenant_id = v.id) FROM stores s WHERE v.id = 1 HAVING true) FROM regions v
SELECT v.id, x.s FROM regions v LEFT JOIN LATERAL (SELECT sum(p.amount) AS s, v.id AS t FROM payments p WHERE p.tenant_id = v.id) x ON x.t = 1
SELECT v.id, x.s FROM regions v LEFT JOIN LATERAL (SELECT p.amount AS s, v.id AS t FROM payments p WHERE p.tenant_id = v.id) x ON true WHERE x.t = 1 OR x.t IS NULL
SELECT v.id, (SELECT sum(p.amount) FROM payments p WHERE p.tenant_id = v.id) FROM regions v LEFT JOIN stores s ON v.id = 1
SELECT v.id, (SELECT sum(p.amount) FROM payments p WHERE p.tenant_id = v.id) FROM regions v LEFT JOIN stores s ON s.id = v.id AND s.id = 1
SELECT v.id, (SELECT sum(p.amount) FROM payments p WHERE p.tenant_id IS NOT DISTINCT FROM s.id) FROM regions v LEFT JOIN stores s ON s.id = 1
SELECT v.id, (SELECT sum(p.amount) FROM payments p WHERE p.tenant_id = coalesce(s.id, 2)) FROM regions v LEFT JOIN stores s ON s.id = 1
SELECT sum((SELECT sum(p.amount) FROM payments p WHERE p.tenant_id = v.id)) FROM regions v HAVING max(v.id) = 1
SELECT v.id FROM regions v GROUP BY ROLLUP (v.id) HAVING (SELECT count(*) FROM payments p WHERE p.tenant_id = coalesce(v.id, 2)) > 0 AND v.id = 1
SELECT o.id FROM orders o, LATERAL (SELECT o.tenant_id) AS x(t) WHERE x.t = x.t
SELECT sum(o.total) FROM orders o, LATERAL (VALUES (o.tenant_id)) AS x(t) WHERE x.t IN (o.tenant_id)
SELECT sum(o.total) FROM orders o, LATERAL (VALUES (1), (o.tenant_id)) AS x(t) WHERE x.t = o.tenant_id
SELECT sum(o.total) FROM orders o WHERE o.tenant_id IN (VALUES (1), (o.tenant_id))
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = ANY (ARRAY[1, o.tenant_id])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = ANY (ARRAY[1] || o.tenant_id)
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = ANY (array_append('{1}', o.tenant_id))
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = ANY (ARRAY(SELECT tenant_id FROM orders WHERE tenant_id = 1 UNION SELECT id FROM regions))
SELECT sum(o.total) FROM orders o WHERE o.tenant_id <> ALL (ARRAY[7])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = ALL (ARRAY[]::int[])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id <> ANY (ARRAY[7, 8])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id >= ANY (ARRAY[1])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id NOT IN (7)
SELECT sum(o.total) FROM orders o WHERE NOT (o.tenant_id = 7)
SELECT sum(o.total) FROM orders o WHERE NOT (o.tenant_id = 7 AND o.tenant_id = 1)
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) IS NOT NULL
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) IS NOT TRUE
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) IS FALSE
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) = false
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) <= true
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id = 1) IN (true, false)
SELECT sum(o.total) FROM orders o WHERE CASE WHEN o.tenant_id = 1 THEN true ELSE true END
SELECT sum(o.total) FROM orders o WHERE coalesce(o.tenant_id = 1, true) OR o.total > 0
SELECT sum(o.total) FROM orders o WHERE nullif(o.tenant_id, 7) = o.tenant_id
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id, 1) > (0, 1)
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id, 1) <> (7, 1)
SELECT sum(o.total) FROM orders o WHERE ROW(o.tenant_id, 1) IS DISTINCT FROM ROW(7, 1)
SELECT sum(o.total) FROM orders o WHERE (1, o.tenant_id) >= (1, 0)
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id, o.id) NOT IN ((1, 1))
SELECT sum(o.total) FROM orders o WHERE (o.tenant_id, o.id) IN ((1, 1), (o.tenant_id, o.id))
SELECT sum(o.total) FROM orders o WHERE o.tenant_id # 0 = o.tenant_id
SELECT sum(o.total) FROM orders o WHERE o.tenant_id OPERATOR(pg_catalog.<>) 7
SELECT sum(o.total) FROM orders o WHERE o.tenant_id OPERATOR(public.=) 'x'::text
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = 'x'::text
SELECT sum(o.total) FROM orders o WHERE o.tenant_id OPERATOR(public.=) ANY (ARRAY['x']::text[])
SELECT sum(o.total) FROM orders o WHERE o.tenant_id OPERATOR(public.=) ANY (SELECT 'x'::text)
SELECT sum(o.total) FROM orders o WHERE o.tenant_id IN (SELECT 'x'::text)
SELECT sum(o.total) FROM orders o WHERE o.tenant_id IN ('x'::text)
SELECT sum(o.total) FROM orders o WHERE CASE o.tenant_id WHEN 1 THEN true ELSE o.tenant_id = o.tenant_id END
SELECT sum(total) FROM orders AS o (tenant_id, id) WHERE o.tenant_id = 1
SELECT sum(total) FROM orders AS o (tenant_id, id) WHERE tenant_id > 0
SELECT sum(q.total) FROM (orders o JOIN regions r ON true) AS q (tenant_id, id) WHERE q.tenant_id = 1
SELECT count(*) FROM orders o JOIN payments p (tenant_id, id) USING (tenant_id) WHERE o.tenant_id = 1
SELECT count(*) FROM orders o, payments o2 (tenant_id, t) WHERE o.tenant_id = 1 AND o2.tenant_id = 1
SELECT count(*) FROM (SELECT id AS tenant_id, tenant_id AS id FROM orders) o WHERE tenant_id = 1
WITH orders AS (SELECT 1 AS tenant_id) SELECT count(*) FROM orders, public.orders o2 WHERE orders.tenant_id = 1
WITH x AS (SELECT * FROM orders) SELECT count(*) FROM x AS y (tenant_id, id) WHERE tenant_id = 1
SELECT count(*) FROM orders tenant_id WHERE tenant_id IS NOT NULL
SELECT count(*) FROM orders o WHERE (SELECT p FROM payments p WHERE p.tenant_id = 1 LIMIT 1).tenant_id = 1
SELECT count(*) FROM orders o WHERE (SELECT p FROM payments p WHERE p.tenant_id = 1 LIMIT 1).tenant_id = o.tenant_id OR true
SELECT count(*) FROM orders o WHERE (SELECT p FROM payments p LIMIT 1).tenant_id = o.tenant_id AND (SELECT p FROM payments p LIMIT 1).tenant_id = 1
SELECT count(*) FROM orders o JOIN LATERAL (SELECT o.*) x ON x.tenant_id = x.tenant_id
SELECT count(*) FROM orders o CROSS JOIN LATERAL (SELECT (o).*) x WHERE x.id > 0
SELECT (x.r).total FROM (SELECT o AS r FROM orders o) x WHERE (x.r).tenant_id > 0
SELECT sum((x.r).total) FROM (SELECT o AS r, 1 AS tenant_id FROM orders o) x WHERE x.tenant_id = 1
SELECT sum(total) FROM (SELECT total, 1 AS tenant_id FROM orders) x WHERE x.tenant_id = 1
SELECT sum(total) FROM (SELECT total, 1 AS tenant_id FROM orders) x NATURAL JOIN (SELECT 1 AS tenant_id) y
SELECT sum(total) FROM (SELECT o.total, p.tenant_id FROM orders o, payments p) x WHERE x.tenant_id = 1
SELECT sum(total) FROM (SELECT o.total, p.tenant_id FROM orders o LEFT JOIN payments p ON p.tenant_id = o.tenant_id) x WHERE x.tenant_id IS NOT DISTINCT FROM 1 OR x.total > 0
SELECT * FROM (SELECT tenant_id, id FROM orders EXCEPT ALL (SELECT tenant_id, id FROM payments ORDER BY id LIMIT 5)) q WHERE tenant_id = 1
SELECT * FROM (SELECT 1 AS tenant_id, id FROM orders EXCEPT SELECT tenant_id, id FROM payments) q WHERE tenant_id = 1
SELECT * FROM (SELECT id AS tenant_id, id FROM regions EXCEPT SELECT tenant_id, id::int FROM payments) q
SELECT * FROM (SELECT id AS tenant_id, count(*) OVER () FROM regions EXCEPT SELECT tenant_id, id FROM payments) q WHERE tenant_id = 1 OR true
SELECT * FROM (SELECT tenant_id, sum(total) FROM orders GROUP BY 1 UNION SELECT max(tenant_id), sum(amount) FROM payments) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id FROM orders UNION ALL SELECT generate_series(1, tenant_id) FROM payments) q WHERE tenant_id = 1
SELECT 1 FROM orders WHERE tenant_id = 1 INTERSECT SELECT 1 FROM payments
SELECT sum(total) FROM orders o JOIN (SELECT 1 AS t INTERSECT SELECT id FROM regions UNION SELECT id FROM regions) x ON x.t = o.tenant_id
SELECT sum(total) FROM orders o JOIN (SELECT id AS t FROM regions EXCEPT SELECT 1) x ON x.t = o.tenant_id
WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n + 1 FROM t WHERE n < 50), u AS (SELECT n FROM t) SELECT sum(total) FROM orders o JOIN u ON u.n = o.tenant_id
WITH RECURSIVE t(a, b) AS (SELECT 1, id FROM regions UNION SELECT b, a FROM t) SELECT sum(total) FROM orders o JOIN t ON t.a = o.tenant_id
WITH RECURSIVE t(a, b, c) AS (SELECT 1, 1, id FROM regions UNION SELECT b, c, a FROM t) SELECT sum(total) FROM orders o JOIN t ON t.a = o.tenant_id
WITH RECURSIVE t AS (SELECT tenant_id, id FROM orders UNION SELECT t.tenant_id, t.id FROM t WHERE t.tenant_id = 1) SELECT count(*) FROM t
SELECT count(*) FROM orders o TABLESAMPLE BERNOULLI ((SELECT count(*) FROM payments)::float8 / 100) WHERE tenant_id = 1
SELECT id FROM orders WHERE tenant_id = 1 LIMIT (SELECT count(*) / 100 FROM orders)
SELECT id FROM orders WHERE tenant_id = 1 ORDER BY (SELECT sum(total) FROM orders)
SELECT count(*) FILTER (WHERE tenant_id = 1) FROM orders
SELECT sum(CASE WHEN tenant_id = 1 THEN total END) FROM orders
SELECT grouping(tenant_id), sum(total) FROM orders GROUP BY ROLLUP (tenant_id) HAVING tenant_id = 1
SELECT tenant_id, sum(total) FROM orders GROUP BY ROLLUP (tenant_id) HAVING tenant_id = 1 OR tenant_id IS NULL
SELECT max(tenant_id), sum(total) FROM orders HAVING max(tenant_id) = 3
SELECT sum(total) FROM orders o HAVING EXISTS (SELECT 1 FROM regions r WHERE r.id = 1)
SELECT json_arrayagg(o.total) FROM orders o, JSON_TABLE('[{"t":1}]', '$[*]' COLUMNS (tenant_id int PATH '$.t')) j WHERE j.tenant_id = 1
SELECT sum(o.total) FROM orders o, JSON_TABLE('[1,2,3]', '$[*]' COLUMNS (t int PATH '$')) j WHERE j.t = o.tenant_id
SELECT sum(o.total) FROM orders o WHERE o.tenant_id IN (SELECT unnest('{1,2,3}'::int[]))
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = (1 + o.tenant_id - 1)
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = -(-o.tenant_id)
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = +o.tenant_id
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = o.tenant_id::int
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = o.tenant_id::bigint AND o.tenant_id = (o).tenant_id
SELECT sum(o.total) FROM orders o JOIN regions r ON r.id = o.tenant_id
SELECT sum(o.total) FROM orders o JOIN regions r ON r.id = o.tenant_id AND r.id > 0
SELECT sum(o.total) FROM orders o JOIN orders q ON q.tenant_id = o.tenant_id AND q.id = o.id
SELECT status, sum(total) FROM orders GROUP BY status HAVING max(tenant_id) = 1
SELECT tenant_id, sum(total) FROM orders GROUP BY GROUPING SETS ((tenant_id), ()) HAVING tenant_id = 1 OR tenant_id IS NULL
SELECT tenant_id % 2, sum(total) FROM orders GROUP BY tenant_id % 2 HAVING tenant_id % 2 = 1
SELECT o.tenant_id::numeric(5,-1), sum(total) FROM orders o GROUP BY o.tenant_id::numeric(5,-1) HAVING o.tenant_id::numeric(5,-1) = 0
SELECT tenant_id, sum(total) FROM orders GROUP BY tenant_id HAVING tenant_id = 1 OR count(*) > 3
SELECT tenant_id, sum(total) FROM orders GROUP BY tenant_id HAVING NOT tenant_id = 7
SELECT o.status, sum(p.amount) FROM orders o JOIN payments p ON p.tenant_id = o.tenant_id GROUP BY o.status, p.tenant_id HAVING p.tenant_id = 1 OR true
SELECT sum(total), (SELECT count(*) FROM orders) FROM orders GROUP BY tenant_id HAVING tenant_id = 1
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 1 AND 2
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN SYMMETRIC 5 AND 1
SELECT sum(total) FROM orders WHERE tenant_id NOT BETWEEN 1 AND 1
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN $1 AND $2 + 5
SELECT sum(total) FROM orders WHERE tenant_id::varchar(1) BETWEEN '1' AND '1'
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT o.tenant_id FROM orders o WHERE o.id = orders.id)
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT orders.tenant_id WHERE orders.tenant_id = 1 HAVING true)
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT orders.tenant_id FROM regions WHERE orders.tenant_id = 1 HAVING count(*) = 0)
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT r.id FROM regions r WHERE r.id = orders.tenant_id)
SELECT sum(total) FROM orders WHERE tenant_id <> (SELECT 7)
SELECT sum(total) FROM orders WHERE tenant_id IS NOT DISTINCT FROM (SELECT 1) OR true
SELECT sum(total) FROM orders WHERE left(tenant_id::text, 0) = ''
SELECT sum(total) FROM orders WHERE tenant_id::text <> '7'
SELECT sum(total) FROM orders WHERE tenant_id::text COLLATE "C" >= ''
SELECT sum(total) FROM orders o, unnest(ARRAY[1, o.tenant_id]) t WHERE t = o.tenant_id
SELECT sum(total) FROM orders o JOIN ROWS FROM (generate_series(1, 9), unnest('{1}'::int[])) AS t(a, b) ON t.a = o.tenant_id
SELECT sum(total) FROM orders o JOIN unnest('{1}'::int[]) WITH ORDINALITY t(a, b) ON t.b <= o.tenant_id
SELECT sum(total) FROM orders o JOIN unnest('{1,1,1}'::int[]) WITH ORDINALITY t(a, b) ON t.b = o.tenant_id
SELECT sum(total) FROM orders o JOIN unnest('{1}'::int[], ARRAY(SELECT id FROM regions)) t(a, b) ON t.b = o.tenant_id
SELECT sum(total) FROM orders o JOIN unnest(ARRAY(SELECT id FROM regions)) t(a) ON t.a = o.tenant_id
SELECT sum(total) FROM orders o WHERE o.customer_id IN (SELECT c.id FROM customers c WHERE c.tenant_id = 1)
SELECT sum(total) FROM orders o WHERE o.customer_id NOT IN (SELECT c.id FROM customers c WHERE c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT sum(total) FROM orders o WHERE NOT EXISTS (SELECT 1 WHERE o.tenant_id = 7)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT 1 FROM regions WHERE o.tenant_id = 1 HAVING true)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT count(*) WHERE o.tenant_id = 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT 1 WHERE o.tenant_id = 1 UNION SELECT 1)
SELECT sum(total) FROM orders o WHERE EXISTS (SELECT 1 FROM regions r LEFT JOIN stores s ON o.tenant_id = 1)
SELECT * FROM (SELECT tenant_id, sum(total) OVER v FROM orders WINDOW w AS (), v AS (w ORDER BY id)) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, (SELECT sum(x) OVER w FROM (VALUES (1)) v(x) WINDOW w AS (PARTITION BY x)), rank() OVER w FROM orders WINDOW w AS (ORDER BY total)) q WHERE tenant_id = 1
SELECT id FROM (SELECT o.id, p.tenant_id FROM orders o LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND o.tenant_id = 1 AND p.order_id = o.id) q WHERE q.tenant_id IS NULL
SELECT count(*) FROM orders JOIN (VALUES (1::oid)) AS v (tenant_id) USING (tenant_id)
SELECT count(*) FROM orders NATURAL JOIN (VALUES (1::oid)) AS v (tenant_id)
SELECT count(*) FROM orders o JOIN (SELECT 1::oid AS tenant_id) AS v USING (tenant_id)
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id, (SELECT max(amount) FROM payments p WHERE p.tenant_id >= o.tenant_id) FROM o ORDER BY 1 LIMIT 1
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id, (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id OR o.id > 0) FROM o ORDER BY 1 LIMIT 1
WITH o AS (SELECT id, store_id AS tenant_id FROM orders WHERE tenant_id = 1) SELECT o.id, (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id) FROM o ORDER BY 2 DESC LIMIT 1
WITH o AS (SELECT id, tenant_id FROM orders WHERE tenant_id = 1 UNION ALL SELECT id, id FROM regions) SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id) FROM o ORDER BY 1 DESC NULLS LAST LIMIT 1
WITH o AS (SELECT id, tenant_id FROM orders WHERE tenant_id = 1) SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id) FROM o RIGHT JOIN regions r ON true UNION ALL SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = r.id) FROM regions r ORDER BY 1 DESC NULLS LAST LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id) FROM (SELECT 1 AS one, id AS tenant_id FROM regions) o ORDER BY 1 DESC NULLS LAST LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.tenant_id) FROM (SELECT tenant_id FROM orders) o ORDER BY 1 DESC NULLS LAST LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = t) FROM generate_series(1, 2) t ORDER BY 1 DESC NULLS LAST LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = v.t) FROM (VALUES (1), (length('ab'))) v (t) ORDER BY 1 DESC LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = coalesce(o.tenant_id, p.tenant_id)) FROM regions r LEFT JOIN (SELECT tenant_id FROM orders WHERE tenant_id = 1 AND id < 0) o ON true LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id IS NOT DISTINCT FROM o.tenant_id OR o.tenant_id IS NULL) FROM regions r LEFT JOIN (SELECT tenant_id FROM orders WHERE tenant_id = 1 AND id < 0) o ON true LIMIT 1
SELECT l.m FROM (SELECT tenant_id, id FROM orders WHERE tenant_id = 1) AS o (id, tenant_id), LATERAL (SELECT max(amount) m FROM payments p WHERE p.tenant_id = o.tenant_id) l ORDER BY 1 DESC NULLS LAST LIMIT 1
WITH RECURSIVE o (t) AS (SELECT 1 UNION ALL SELECT t + 1 FROM o WHERE t < 3) SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.t) FROM o ORDER BY 1 DESC LIMIT 1
SELECT (SELECT max(amount) FROM payments p WHERE p.tenant_id = o.m) FROM (SELECT max(tenant_id) AS m FROM customers) o
SELECT (SELECT max(amount) FROM payments p, (SELECT o.id AS k) z WHERE p.tenant_id = z.k) FROM (SELECT id, tenant_id FROM orders WHERE tenant_id = 1) o ORDER BY 1 DESC NULLS LAST LIMIT 1
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.city, 'x') = 'x'
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE lower(coalesce(c.city, 'x')) = 'x'
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.city, 'x')::varchar LIKE 'x'
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.id, 3) % 5 = 3
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.id, 3) - 1 BETWEEN 2 AND 2
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.id, 3) IN (3)
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(c.id, 3) BETWEEN 3 AND 4
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE nullif(coalesce(c.id, 3), 9) = 3
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(nullif(c.id, 9), 3) = 3
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE (coalesce(c.preferences, '{}') ->> 'x') IS NULL
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE (coalesce(c.preferences, '{"x":1}') ->> 'x') IS NOT NULL
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE coalesce(length(c.city), 3) = 3
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE now() - coalesce(c.created_at, now()) < interval '1 day'
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE age(coalesce(c.created_at, now())) < interval '1 day'
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE starts_with(coalesce(c.city, 'x'), 'x')
SELECT sum(o.total) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.tenant_id = 1 AND c.tenant_id = 1 WHERE (coalesce(c.id, 3), 1) = (3, 1)
SELECT sum(total) FROM orders WHERE coalesce(tenant_id, 1) = 1 AND nullif(tenant_id, 7) = 1
SELECT sum(o.total) FROM generate_series(1, 1) g LEFT JOIN orders o ON o.tenant_id >= g
