-- Other values for all that demo.yaml hides; what it shows stays the same, row for row and in the same order.
UPDATE public.customers SET
  ssn = CASE WHEN id % 4 = 0 THEN 'N' || id WHEN id % 2 = 0 THEN NULL ELSE 'Z' || (100000 - id) END,
  password_hash = 'Z' || (100000 - id), card_token = CASE WHEN id % 3 = 0 THEN 'N' || id WHEN id % 5 = 0 THEN NULL ELSE 'Z' || (100000 - id) END;
UPDATE hr.payroll SET gross = 70000 - id, bank_account = 'Z' || (100000 - id);
DELETE FROM hr.payroll WHERE id % 3 = 0;
UPDATE hr.employees SET name = 'Z' || (100000 - id), email = 'Z' || id, salary = 70000 - id, national_id = 'Z' || (100000 - id), hired_on = hired_on - 300, department_id = 1, manager_id = NULL;
UPDATE hr.departments SET budget = 7000 - id, name = 'Z' || id;
DELETE FROM audit.log WHERE id % 3 = 0;
UPDATE audit.log SET actor = 'Z' || id, action = 'Z' || id, detail = '{}';
DELETE FROM audit.api_keys WHERE id > 6;
UPDATE audit.api_keys SET owner = 'Z' || (1000 - id), secret = 'Z' || (1000 - id);
DELETE FROM public.audit_trail WHERE id > 50;
UPDATE public.audit_trail SET entry = 'Z' || (1000 - id);
DELETE FROM public."Secret Stuff" WHERE id > 5;
UPDATE public."Secret Stuff" SET "Value" = 'Z' || (1000 - id);
UPDATE hr.reviews SET verdict = 'Z' || id;
DELETE FROM hr.reviews WHERE id > 20;
UPDATE audit.events SET entry = 'Z' || id;
UPDATE hr.bulletins_internal SET body = 'Z';
UPDATE audit.archive_1 SET body = 'Z';
UPDATE public.accounts SET ssn = 'Z' || (1000 - id);
UPDATE public.people SET ssn = 'Z';
UPDATE public.households SET home = ROW(ROW((home).head.label, 'Z' || (1000 - id))::public.person, (home).size)::public.household;
UPDATE public.snapshots s SET taken = (SELECT c FROM public.customers c WHERE c.id = s.id), staff = (SELECT e FROM hr.employees e WHERE e.id = s.id), many = ARRAY[(SELECT e FROM hr.employees e WHERE e.id = s.id)];
-- Far from everything that an honest condition on web_events selects.
INSERT INTO public.web_events SELECT 900000 + n, '2031-01-01', '00000000-0000-4000-8000-000000000000', 1, 'zz', '/zz', '{"zz": 1}', '198.51.100.1' FROM generate_series(1, 500) n;
REFRESH MATERIALIZED VIEW analytics.payroll_by_month;
REFRESH MATERIALIZED VIEW public.customer_cache;
ANALYZE;
