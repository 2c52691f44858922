SELECT
  "t0"."registration_week",
  SUM("t0"."loads_before_registration") AS "loads_before_registration",
  COUNT(*) FILTER(WHERE
    "t0"."loads_before_registration" > 0) AS "seen_before"
FROM "registered_users" AS "t0"
GROUP BY
  1
