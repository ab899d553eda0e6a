-- Honest statements of tenant 1, one on a line: each is allowed, and does not see other tenants.
SELECT sum(total) FROM orders WHERE tenant_id = 1
SELECT sum(total) FROM orders AS o WHERE 1 = o.tenant_id
SELECT sum(total) FROM orders WHERE tenant_id IN (1)
SELECT sum(total) FROM orders WHERE tenant_id IN (1, 7)
SELECT sum(total) FROM orders WHERE tenant_id IN ('1', 7)
SELECT sum(total) FROM orders WHERE tenant_id = ANY (ARRAY[1, 7])
SELECT sum(total) FROM orders WHERE tenant_id = ANY (ARRAY['1'::int, 7])
SELECT sum(total) FROM orders WHERE tenant_id = ANY ('{1,7}')
SELECT sum(total) FROM orders WHERE tenant_id = ANY ('{1,7}'::int[])
SELECT sum(total) FROM orders WHERE tenant_id = '1'::integer
SELECT sum(total) FROM orders WHERE tenant_id::bigint = 1
SELECT sum(total) FROM orders WHERE CAST(tenant_id AS integer) = 1
SELECT sum(total) FROM orders WHERE tenant_id IS NOT DISTINCT FROM 1
SELECT sum(total) FROM orders WHERE (tenant_id = 1) IS TRUE
SELECT sum(total) FROM orders WHERE (tenant_id, customer_id) = (1, 5)
SELECT sum(total) FROM orders WHERE (tenant_id, customer_id) IN ((1, 5), (1, 6))
SELECT sum(total) FROM orders WHERE tenant_id IN (VALUES (1), (7))
SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT 1)
SELECT sum(total) FROM orders WHERE tenant_id = ANY (SELECT tenant_id FROM customers WHERE tenant_id = 1)
SELECT sum(total) FROM orders WHERE (tenant_id = 1 AND total > 50) OR (tenant_id = 1 AND note IS NOT NULL)
SELECT sum(total) FROM orders WHERE tenant_id = 1 AND (total > 50 OR note IS NOT NULL)
SELECT sum(total) FROM orders WHERE tenant_id = 1 OR tenant_id = 7
SELECT sum(total) FROM orders WHERE tenant_id = 1 AND NOT (status = 'paid')
SELECT count(*) FROM orders o JOIN payments p ON p.order_id = o.id AND p.tenant_id = o.tenant_id WHERE o.tenant_id = 1
SELECT count(*) FROM orders o JOIN payments p USING (tenant_id) WHERE tenant_id = 1 AND p.order_id = o.id
SELECT count(*) FROM orders o JOIN payments p USING (tenant_id) WHERE p.tenant_id = 1 AND p.order_id = o.id
SELECT count(*) FROM (SELECT id AS order_id, tenant_id FROM orders) o NATURAL JOIN payments p WHERE p.tenant_id = 1
SELECT count(*) FROM orders o, payments p, customers c WHERE p.tenant_id = o.tenant_id AND c.tenant_id = p.tenant_id AND c.tenant_id = 1 AND c.id = o.customer_id AND p.order_id = o.id
SELECT o.id, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND p.tenant_id = 1 WHERE o.tenant_id = 1
SELECT o.id, p.amount FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND p.tenant_id = o.tenant_id WHERE o.tenant_id = 1
SELECT o.id, p.amount FROM payments p RIGHT JOIN orders o ON p.order_id = o.id AND p.tenant_id = 1 WHERE o.tenant_id = 1
SELECT o.id, p.amount FROM orders o LEFT JOIN payments p USING (tenant_id) WHERE tenant_id = 1 AND p.order_id = o.id
SELECT o.id, p.amount FROM payments p RIGHT JOIN orders o USING (tenant_id) WHERE tenant_id = 1 AND p.order_id = o.id
SELECT o.id, p.id FROM orders o LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id WHERE p.tenant_id = 1
SELECT o.id, p.id, c.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id LEFT JOIN customers c ON c.tenant_id = p.tenant_id AND c.id = o.customer_id WHERE c.tenant_id = 1 AND o.tenant_id = c.tenant_id
SELECT o.id, p.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o FULL JOIN (SELECT * FROM payments WHERE tenant_id = 1) p ON p.order_id = o.id
SELECT o.id, p.id FROM orders o FULL JOIN payments p USING (tenant_id) WHERE tenant_id = 1 AND (p.order_id = o.id OR o.total > 900)
SELECT o.id, p.id FROM orders o FULL JOIN payments p ON p.order_id = o.id WHERE o.tenant_id = 1 AND p.tenant_id = 1
SELECT o.id, p.id FROM orders o LEFT JOIN (payments p JOIN customers c ON c.tenant_id = p.tenant_id) ON p.tenant_id = o.tenant_id AND p.order_id = o.id AND c.id = o.customer_id WHERE o.tenant_id = 1
SELECT * FROM (SELECT id, tenant_id, total FROM orders WHERE tenant_id = 1) q WHERE total > 5
SELECT * FROM (SELECT id, tenant_id, total FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT id, tenant_id AS t, total FROM orders) q (a, b, c) WHERE b = 1
SELECT * FROM (SELECT tenant_id, count(*) AS n, sum(total) FROM orders GROUP BY tenant_id) q WHERE tenant_id = 1
SELECT * FROM (SELECT DISTINCT tenant_id, status FROM orders) q WHERE tenant_id = 1
SELECT * FROM (SELECT DISTINCT ON (tenant_id) tenant_id, id FROM orders ORDER BY tenant_id, id) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id, rank() OVER (PARTITION BY tenant_id ORDER BY total, id) AS r FROM orders) q WHERE tenant_id = 1 AND r < 4
SELECT * FROM (SELECT tenant_id, id, rank() OVER w AS r FROM orders WINDOW w AS (PARTITION BY tenant_id ORDER BY total, id)) q WHERE tenant_id = 1
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT count(*) FROM o a JOIN o b ON a.customer_id = b.customer_id
WITH o AS (SELECT * FROM orders) SELECT count(*) FROM o WHERE tenant_id = 1
WITH o AS (SELECT * FROM orders) SELECT (SELECT count(*) FROM o WHERE tenant_id = 1), (SELECT max(total) FROM o x WHERE x.tenant_id = 1)
WITH o AS MATERIALIZED (SELECT tenant_id, sum(total) s FROM orders GROUP BY 1) SELECT s FROM o WHERE tenant_id = 1
WITH a AS (SELECT * FROM orders), b AS (SELECT * FROM a) SELECT count(*) FROM b WHERE b.tenant_id = 1
SELECT id FROM orders WHERE tenant_id = 1 UNION SELECT id FROM payments WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders UNION ALL SELECT tenant_id, id FROM payments) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders EXCEPT SELECT tenant_id, id FROM payments) q WHERE tenant_id = 1
SELECT * FROM (SELECT tenant_id, id FROM orders INTERSECT SELECT tenant_id, id FROM payments) q WHERE tenant_id = 1
SELECT id FROM orders o WHERE tenant_id = 1 AND EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.tenant_id = o.tenant_id)
SELECT id FROM orders o WHERE tenant_id = 1 AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.tenant_id = o.tenant_id)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer_id AND c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT id FROM orders o WHERE tenant_id = 1 AND customer_id IN (SELECT id FROM customers WHERE tenant_id = 1)
SELECT id FROM orders o WHERE tenant_id = 1 AND customer_id NOT IN (SELECT c.id FROM customers c WHERE c.tenant_id = o.tenant_id)
SELECT id FROM orders WHERE tenant_id IN (SELECT tenant_id FROM customers WHERE tenant_id = 1)
SELECT id FROM orders WHERE (tenant_id, customer_id) IN (SELECT tenant_id, id FROM customers WHERE tenant_id = 1)
SELECT c.id, (SELECT max(o.total) FROM orders o WHERE o.tenant_id = c.tenant_id AND o.customer_id = c.id) FROM customers c WHERE c.tenant_id = 1
SELECT c.id, x.total FROM customers c CROSS JOIN LATERAL (SELECT o.total FROM orders o WHERE o.tenant_id = c.tenant_id AND o.customer_id = c.id ORDER BY o.id LIMIT 1) x WHERE c.tenant_id = 1
SELECT c.id, x.total FROM customers c LEFT JOIN LATERAL (SELECT o.total FROM orders o WHERE o.tenant_id = c.tenant_id AND o.customer_id = c.id ORDER BY o.id LIMIT 1) x ON true WHERE c.tenant_id = 1
SELECT a.id, x.n FROM customers a LEFT JOIN payments p ON p.tenant_id = 1 AND p.id = a.id LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.tenant_id = p.tenant_id) x ON true WHERE a.tenant_id = 1
WITH RECURSIVE t AS (SELECT id, tenant_id, referred_by FROM customers WHERE tenant_id = 1 UNION SELECT c.id, c.tenant_id, c.referred_by FROM customers c JOIN t ON c.referred_by = t.id AND c.tenant_id = t.tenant_id) SELECT id FROM t
WITH RECURSIVE t AS (SELECT id, tenant_id FROM customers WHERE tenant_id = 1 UNION SELECT c.id, c.tenant_id FROM customers c, t WHERE c.referred_by = t.id AND c.tenant_id = 1) SELECT count(*) FROM t
WITH t (tenant) AS (SELECT 1) SELECT count(*) FROM orders o JOIN t ON t.tenant = o.tenant_id
SELECT count(*) FROM orders o JOIN (VALUES (1)) AS t (tenant) ON t.tenant = o.tenant_id
SELECT count(*) FROM orders o JOIN (SELECT 1 AS tenant UNION ALL SELECT 7) t ON t.tenant = o.tenant_id
SELECT tenant_id, count(*) FILTER (WHERE total > 50) FROM orders WHERE tenant_id = 1 GROUP BY tenant_id HAVING count(*) > 0
SELECT count(*) FROM orders AS o (number, tenant) WHERE tenant = 1
SELECT count(*) FROM (orders o JOIN payments p USING (tenant_id)) AS j WHERE j.tenant_id = 1
SELECT count(*) FROM orders o JOIN payments p USING (tenant_id) AS j WHERE j.tenant_id = 1
SELECT count(*) FROM ONLY orders WHERE tenant_id = 1
SELECT count(*) FROM tenant_orders WHERE tenant_id = 1
SELECT count(*) FROM own_orders
SELECT * FROM tenant_sums WHERE tenant_id = 1
SELECT CASE WHEN total > 5 THEN 'big' END, id FROM orders WHERE tenant_id = 1 ORDER BY id LIMIT 5
SELECT id FROM orders WHERE tenant_id = 1 AND total > (SELECT avg(total) FROM orders WHERE tenant_id = 1)
SELECT tenant_id, status, sum(total) FROM orders WHERE tenant_id = 1 GROUP BY ROLLUP (tenant_id, status)
SELECT * FROM (SELECT o.tenant_id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.tenant_id = o.tenant_id) q WHERE q.tenant_id = 1
SELECT count(*) FROM orders WHERE tenant_id = $1
SELECT count(*) FROM orders WHERE tenant_id IN ($1, $2)
SELECT count(*) FROM orders WHERE tenant_id = ANY (ARRAY[$1::int, 7])
SELECT 1 FROM regions WHERE EXISTS (SELECT 1 FROM orders WHERE orders.tenant_id = 1)
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 1 AND 1
SELECT sum(total) FROM orders WHERE tenant_id BETWEEN $1 AND $1
SELECT tenant_id, sum(total) FROM orders GROUP BY tenant_id HAVING tenant_id = 1
SELECT tenant_id, status, sum(total) FROM orders GROUP BY 1, 2 HAVING tenant_id = 1 AND sum(total) > 5
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT 1)
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT tenant_id FROM customers WHERE id = 3 AND tenant_id = 1)
WITH params AS (SELECT 1 AS tenant_id) SELECT sum(total) FROM orders WHERE tenant_id = (SELECT tenant_id FROM params)
WITH params AS (SELECT 1 AS tenant) SELECT sum(total) FROM orders, params WHERE tenant_id = tenant
WITH params (tenant, lo) AS (SELECT 1, date '2026-01-01') SELECT sum(o.total) FROM orders o CROSS JOIN params p WHERE o.tenant_id = p.tenant AND o.ordered_at >= p.lo
WITH params AS (SELECT $1::int AS tenant) SELECT sum(total) FROM orders JOIN params ON params.tenant = orders.tenant_id
SELECT sum(total) FROM orders WHERE tenant_id::text = '1'
SELECT sum(total) FROM orders WHERE tenant_id::varchar = '1'
SELECT sum(total) FROM orders WHERE CAST(tenant_id AS text) IN ('1', '9')
SELECT sum(total) FROM orders WHERE tenant_id::numeric = 1
SELECT sum(total) FROM orders WHERE tenant_id NOT IN (SELECT 2) AND tenant_id = 1
SELECT sum(total) FROM orders WHERE tenant_id = SOME (ARRAY[1])
SELECT sum(total) FROM orders WHERE tenant_id = ANY (VALUES (1), (9))
SELECT sum(o.total) FROM unnest('{1,9}'::int[]) t JOIN orders o ON o.tenant_id = t
SELECT sum(o.total) FROM unnest(ARRAY[1, 9]) AS t(tenant) JOIN orders o ON o.tenant_id = t.tenant
SELECT o.* FROM customers c LEFT JOIN orders o ON c.id = o.customer_id AND c.tenant_id = o.tenant_id WHERE c.tenant_id = 1 AND o.id IS NULL
SELECT c.name FROM customers c WHERE c.tenant_id = 1 AND NOT EXISTS (SELECT 1 FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND p.tenant_id = o.tenant_id WHERE o.customer_id = c.id AND o.tenant_id = c.tenant_id AND p.id IS NULL)
SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer_id AND c.tenant_id = o.tenant_id AND c.tenant_id = 1 GROUP BY c.id HAVING count(*) > 0)
SELECT o.id FROM orders o WHERE EXISTS (SELECT c.name FROM customers c JOIN regions r ON true WHERE c.tenant_id = 1 AND (c.id, c.tenant_id) = (o.customer_id, o.tenant_id))
SELECT o.id FROM orders o WHERE o.customer_id IN (SELECT c.id FROM customers c WHERE c.tenant_id = o.tenant_id AND c.tenant_id = 1)
SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.tenant_id = 1 AND o.tenant_id = 1 AND c.id = o.customer_id)
SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 WHERE o.tenant_id = 1)
SELECT q.total FROM (SELECT o.*, row_number() OVER (PARTITION BY o.customer_id ORDER BY o.ordered_at DESC, o.id) AS rn FROM orders o WHERE o.tenant_id = 1) q WHERE q.rn = 1
SELECT q.total FROM (SELECT o.*, row_number() OVER (PARTITION BY o.tenant_id, o.customer_id ORDER BY o.id) AS rn FROM orders o) q WHERE q.rn = 1 AND q.tenant_id = 1
SELECT q.n FROM (SELECT tenant_id, count(*) AS n, rank() OVER (PARTITION BY tenant_id ORDER BY count(*) DESC) FROM orders GROUP BY tenant_id, status) q WHERE q.tenant_id = 1
SELECT q.n FROM (SELECT tenant_id, sum(total) OVER w AS n, avg(total) OVER (w ORDER BY id) FROM orders WINDOW w AS (PARTITION BY tenant_id)) q WHERE q.tenant_id = 1
SELECT "source"."tenant_id", sum("source"."total") FROM (SELECT "public"."orders"."tenant_id" AS "tenant_id", "public"."orders"."total" AS "total" FROM "public"."orders") AS "source" WHERE "source"."tenant_id" = 1 GROUP BY "source"."tenant_id" ORDER BY "source"."tenant_id" ASC
SELECT "t0"."status" AS "c0", SUM("t0"."total") FROM "orders" "t0" LEFT OUTER JOIN "customers" "t1" ON ("t0"."customer_id" = "t1"."id" AND "t0"."tenant_id" = "t1"."tenant_id") WHERE ("t0"."tenant_id" = 1) GROUP BY "t0"."status" HAVING (COUNT(1) > 0)
SELECT COUNT(*) AS "__count" FROM "orders" INNER JOIN "customers" ON ("orders"."customer_id" = "customers"."id") WHERE ("orders"."tenant_id" = 1 AND "customers"."tenant_id" = 1 AND UPPER("customers"."name"::text) LIKE UPPER('%a%'))
SELECT COUNT(*) FROM (SELECT "orders"."id" AS "col1" FROM "orders" WHERE "orders"."tenant_id" = 1 GROUP BY 1) subquery
SELECT DISTINCT o.status FROM orders AS o WHERE o.tenant_id = 1 AND o.customer_id IN (SELECT U0.id FROM customers U0 WHERE U0.tenant_id = 1 AND U0.segment = 'consumer')
SELECT CASE WHEN grouping(status) = 1 THEN 'all' ELSE status::text END, sum(total) FROM orders WHERE tenant_id = 1 GROUP BY GROUPING SETS ((status), ())
WITH m AS (SELECT tenant_id, date_trunc('month', ordered_at) AS m, sum(total) AS s FROM orders GROUP BY 1, 2) SELECT a.m, a.s - b.s FROM m a LEFT JOIN m b ON b.tenant_id = a.tenant_id AND b.m = a.m - interval '1 month' WHERE a.tenant_id = 1
WITH m AS (SELECT tenant_id, id, total FROM orders), t AS (SELECT tenant_id, sum(total) AS s FROM m GROUP BY tenant_id) SELECT m.id, m.total / nullif(t.s, 0) FROM m JOIN t ON t.tenant_id = m.tenant_id WHERE m.tenant_id = 1
WITH m AS (SELECT tenant_id, id, total FROM orders), t AS (SELECT tenant_id, sum(total) AS s FROM m GROUP BY tenant_id) SELECT m.id FROM m WHERE m.tenant_id = 1 AND m.total > (SELECT s / 9 FROM t WHERE t.tenant_id = m.tenant_id)
WITH RECURSIVE chain AS (SELECT id, tenant_id, referred_by, 1 AS depth FROM customers WHERE id = 5 AND tenant_id = 1 UNION ALL SELECT c.id, c.tenant_id, c.referred_by, depth + 1 FROM customers c JOIN chain ON c.id = chain.referred_by AND c.tenant_id = chain.tenant_id WHERE depth < 9) SELECT * FROM chain
SELECT g.d, count(o.id) FROM generate_series(date '2026-01-01', date '2026-01-10', interval '1 day') g(d) LEFT JOIN orders o ON o.ordered_at::date = g.d AND o.tenant_id = 1 GROUP BY g.d
SELECT p.method, x.total FROM payments p LEFT JOIN LATERAL (SELECT sum(o.total) AS total FROM orders o WHERE o.id = p.order_id AND o.tenant_id = p.tenant_id) x ON true WHERE p.tenant_id = 1
SELECT * FROM (SELECT 'order' AS kind, tenant_id, id FROM orders UNION ALL SELECT 'payment', tenant_id, id FROM payments) e WHERE e.tenant_id = 1 ORDER BY id LIMIT 4
SELECT count(*) FROM orders o JOIN (payments p JOIN customers c ON c.tenant_id = p.tenant_id AND c.tenant_id = 1) ON p.order_id = o.id AND o.tenant_id = c.tenant_id
SELECT count(*) FROM orders o NATURAL JOIN (SELECT tenant_id FROM customers WHERE tenant_id = 1 AND id = 4) c
SELECT count(*) FROM orders o JOIN payments p ON (o.tenant_id, o.id) = (p.tenant_id, p.order_id) WHERE (o.tenant_id) = (1)
SELECT count(*) FROM orders o JOIN payments p ON o.tenant_id = p.tenant_id AND o.tenant_id = 1 AND o.id = p.order_id
SELECT (SELECT count(*) FROM orders o WHERE o.tenant_id = t.id), (SELECT count(*) FROM payments p WHERE p.tenant_id = t.id) FROM regions t WHERE t.id = 1
SELECT t.id, count(o.id) FROM regions t LEFT JOIN orders o ON o.tenant_id = t.id WHERE t.id IN (1, 9) GROUP BY t.id
SELECT t.id, o.n FROM regions t LEFT JOIN (SELECT tenant_id, count(*) AS n FROM orders GROUP BY tenant_id) o ON o.tenant_id = t.id WHERE t.id = 1
SELECT t.id, o.n FROM regions t JOIN (SELECT tenant_id, count(*) AS n FROM orders GROUP BY tenant_id) o ON o.tenant_id = t.id JOIN (SELECT tenant_id, sum(amount) FROM payments GROUP BY 1) p USING (tenant_id) WHERE t.id = 1
SELECT count(*) FROM orders o WHERE o.tenant_id = 1 AND (o.status, o.currency) IN (SELECT q.status, q.currency FROM orders q WHERE q.tenant_id = 1)
SELECT count(*) FROM orders o WHERE (o.tenant_id = 1 AND o.status = 'paid') OR (o.tenant_id = 1 AND o.total > 5) OR (o.status = 'shipped' AND o.tenant_id = 1)
SELECT count(*) FROM orders o, customers c WHERE o.customer_id = c.id AND o.tenant_id = c.tenant_id AND (c.tenant_id = 1 OR c.tenant_id = 9)
SELECT count(*) FROM orders o, customers c WHERE o.customer_id = c.id AND ((o.tenant_id = 1 AND c.tenant_id = 1) OR (o.tenant_id = 9 AND c.tenant_id = 9))
SELECT count(*) FROM orders o FULL JOIN payments p ON p.order_id = o.id AND p.tenant_id = o.tenant_id WHERE o.tenant_id = 1 AND p.tenant_id = 1
SELECT count(*) FROM orders o FULL JOIN payments p USING (tenant_id) FULL JOIN customers c USING (tenant_id) WHERE tenant_id = 1 AND o.id = 3
SELECT json_agg(x) FROM (SELECT id, total FROM orders WHERE tenant_id = 1 ORDER BY id LIMIT 3) x
SELECT ARRAY(SELECT id FROM orders WHERE tenant_id = 1 ORDER BY id)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders WHERE tenant_id = 1
SELECT count(*) FROM orders WHERE tenant_id = 1 AND ordered_at >= (SELECT max(ordered_at) - interval '30 days' FROM orders WHERE tenant_id = 1)
SELECT count(*) FROM orders WHERE tenant_id = (1)::integer AND status = ANY ('{paid,shipped}')
SELECT count(*) FROM orders WHERE tenant_id = 1::smallint
SELECT count(*) FROM orders WHERE tenant_id = 1.0
SELECT count(*) FROM orders WHERE tenant_id = int '1'
SELECT count(*) FROM orders WHERE tenant_id = ('1')::int
SELECT count(*) FROM orders WHERE tenant_id = 2 - 1
SELECT count(*) FROM orders WHERE (tenant_id, tenant_id) = (1, 1)
SELECT count(*) FROM orders o WHERE (o).tenant_id = 1
SELECT count(*) FROM orders o WHERE tenant_id(o) = 1
SELECT count(*) FROM tenant_orders t JOIN orders o ON o.id = t.id AND o.tenant_id = t.tenant_id WHERE t.tenant_id = 1
SELECT * FROM (SELECT t1.tenant_id AS a, t2.tenant_id AS b, t2.total FROM customers t1 JOIN orders t2 ON t2.customer_id = t1.id AND t1.tenant_id = t2.tenant_id) q WHERE q.b = 1
SELECT * FROM (SELECT * FROM orders o JOIN (SELECT id AS cid, tenant_id AS ct FROM customers) c ON c.cid = o.customer_id AND c.ct = o.tenant_id) q WHERE q.ct = 1
SELECT sum(o.total) FROM orders o WHERE o.tenant_id = 1 AND o.id = ANY (ARRAY(SELECT p.order_id FROM payments p WHERE p.tenant_id = o.tenant_id))
SELECT sum(x.s) FROM regions r CROSS JOIN LATERAL (SELECT sum(o.total) AS s FROM orders o WHERE o.tenant_id = r.id) x WHERE r.id = 1
SELECT sum(o.total) OVER (ORDER BY o.id) FROM orders o WHERE o.tenant_id = $1 LIMIT $2 OFFSET $3
SELECT sum(total) FROM orders WHERE tenant_id = (SELECT x.tenant_id FROM customers x WHERE x.id = orders.customer_id AND x.tenant_id = 1)
SELECT o.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id, (SELECT max(amount) FROM payments p WHERE p.order_id = o.id AND p.tenant_id = o.tenant_id) FROM o
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id FROM o WHERE EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.tenant_id = o.tenant_id)
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id FROM o JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
WITH o AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT o.id FROM o LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
WITH o AS (SELECT id, tenant_id FROM orders WHERE tenant_id = 1) SELECT o.id, l.m FROM o CROSS JOIN LATERAL (SELECT max(amount) AS m FROM payments p WHERE p.tenant_id = o.tenant_id) l
WITH o AS (SELECT id, tenant_id FROM orders WHERE tenant_id = 1) SELECT o.id, l.m FROM o, LATERAL (SELECT max(amount) AS m FROM payments p WHERE p.tenant_id = o.tenant_id) l
SELECT o.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o JOIN LATERAL (SELECT * FROM payments p WHERE p.tenant_id = o.tenant_id) p ON true
SELECT o.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o CROSS JOIN LATERAL (SELECT * FROM payments p WHERE p.tenant_id = o.tenant_id) p
SELECT o.id FROM (SELECT * FROM orders WHERE tenant_id = 1) o LEFT JOIN LATERAL (SELECT * FROM payments p WHERE p.tenant_id = o.tenant_id AND p.order_id = o.id LIMIT 1) p ON true
SELECT o.id FROM orders o LEFT JOIN LATERAL (SELECT * FROM payments p WHERE p.tenant_id = o.tenant_id AND p.order_id = o.id LIMIT 1) p ON true WHERE o.tenant_id = 1
SELECT o.id FROM orders o JOIN LATERAL (SELECT * FROM payments p WHERE p.tenant_id = o.tenant_id) p ON true WHERE o.tenant_id = 1
SELECT o.id FROM orders o JOIN LATERAL (SELECT p.amount FROM payments p WHERE p.tenant_id = o.tenant_id) p ON p.amount > 5 WHERE o.tenant_id = 1
WITH c AS (SELECT id, tenant_id FROM customers WHERE tenant_id = 1), o AS (SELECT o.* FROM orders o JOIN c ON c.id = o.customer_id AND c.tenant_id = o.tenant_id) SELECT count(*) FROM o
WITH c AS (SELECT id, tenant_id FROM customers WHERE tenant_id = 1), o AS (SELECT o.* FROM orders o WHERE o.tenant_id IN (SELECT tenant_id FROM c)) SELECT count(*) FROM o
WITH c AS (SELECT DISTINCT tenant_id FROM customers WHERE tenant_id = 1) SELECT (SELECT count(*) FROM orders o WHERE o.tenant_id = c.tenant_id) AS o, (SELECT count(*) FROM payments p WHERE p.tenant_id = c.tenant_id) AS p FROM c
SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id AND o.tenant_id = c.tenant_id) FROM customers c WHERE c.tenant_id = 1 ORDER BY 2 DESC
WITH t AS (SELECT tenant_id, sum(total) AS s FROM orders GROUP BY tenant_id) SELECT s FROM t WHERE tenant_id = 1
WITH t AS (SELECT tenant_id, sum(total) AS s FROM orders WHERE tenant_id = 1 GROUP BY tenant_id) SELECT o.id, o.total / t.s FROM orders o JOIN t USING (tenant_id)
SELECT o.id FROM orders o WHERE o.tenant_id = (SELECT c.tenant_id FROM customers c WHERE c.id = 5 AND c.tenant_id = 1)
SELECT o.id FROM orders o WHERE (o.tenant_id, o.customer_id) IN (SELECT c.tenant_id, c.id FROM customers c WHERE c.tenant_id = 1)
SELECT o.id FROM (SELECT *, 1 AS one FROM orders WHERE tenant_id = 1) o, (SELECT * FROM payments) p WHERE p.tenant_id = o.tenant_id
WITH a AS (SELECT tenant_id FROM orders WHERE tenant_id = 1), b AS (SELECT * FROM a), c AS (SELECT * FROM b) SELECT p.id FROM payments p JOIN c ON c.tenant_id = p.tenant_id
