SELECT
  COALESCE(SUM("t0"."loads"), 0) AS "loads",
  COALESCE(SUM("t0"."loads_before_registration"), 0) AS "loads_before_registration"
FROM "registered_users" AS "t0"
