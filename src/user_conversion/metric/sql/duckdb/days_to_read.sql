SELECT
  CAST("t0"."since" AS DATE) AS "since",
  MAX(CAST("t0"."until" AS DATE)) AS "until"
FROM "loads_to_read" AS "t0"
GROUP BY
  1
