SELECT
  MIN("t4"."time") AS "earliest",
  MAX("t4"."time") AS "latest"
FROM (
  SELECT
    *
  FROM (
    SELECT
      "t0"."time"
    FROM "added_registrations" AS "t0"
  ) AS "t2"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t1"."time"
    FROM "added_loads" AS "t1"
  ) AS "t3"
) AS "t4"
