SELECT
  "t0"."registration_week",
  "t0"."week_offset",
  COUNT(*) AS "users"
FROM "user_conversion" AS "t0"
GROUP BY
  1,
  2
