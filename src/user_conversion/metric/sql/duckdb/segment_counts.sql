SELECT
  "t0"."registration_week",
  "t0"."value",
  COUNT(*) AS "total_registered",
  COUNT(*) FILTER(WHERE
    "t0"."converted") AS "total_converted"
FROM "segmented_users" AS "t0"
GROUP BY
  1,
  2
