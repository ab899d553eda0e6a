-- Other values for the rows of every tenant but 1, and more of them; the rows of tenant 1 stay as they are.
UPDATE public.customers SET name = CASE tenant_id WHEN 1 THEN name ELSE 'Z' || name END, city = CASE tenant_id WHEN 1 THEN city ELSE 'Zz' END;
UPDATE public.orders SET total = CASE tenant_id WHEN 1 THEN total ELSE total + 100000 END, note = CASE tenant_id WHEN 1 THEN note ELSE 'Zz' END;
UPDATE public.payments SET amount = CASE tenant_id WHEN 1 THEN amount ELSE amount + 100000 END, method = CASE tenant_id WHEN 1 THEN method ELSE 'zz' END;
INSERT INTO public.customers (id, tenant_id, name, email, city, country, segment, created_at, password_hash)
  SELECT 900000 + n, 2, 'Zz ' || n, 'zz' || n || '@mail.example', 'Zz', 'ZZ', 'zz', '2031-01-01', 'z' FROM generate_series(1, 200) n;
INSERT INTO public.orders (id, tenant_id, customer_id, store_id, status, ordered_at, total)
  SELECT 900000 + n, 2, 900000 + n, 1, 'paid', '2031-01-01', 1000000 + n FROM generate_series(1, 200) n;
INSERT INTO public.payments SELECT 900000 + n, 2, 900000 + n, 'zz', 1000000 + n, '2031-01-01' FROM generate_series(1, 200) n;
ANALYZE;
