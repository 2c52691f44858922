SELECT
  *
FROM (
  SELECT
    CAST("t0"."time" AS DATE) AS "day",
    'registered' AS "event",
    COUNT(*) AS "events"
  FROM "added_registrations" AS "t0"
  GROUP BY
    1
) AS "t2"
UNION ALL
SELECT
  *
FROM (
  SELECT
    CAST("t1"."time" AS DATE) AS "day",
    'app_loaded' AS "event",
    COUNT(*) AS "events"
  FROM "added_loads" AS "t1"
  GROUP BY
    1
) AS "t3"
