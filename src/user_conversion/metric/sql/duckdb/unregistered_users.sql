SELECT
  *
FROM (
  SELECT
    "t0"."initiator_id",
    CAST(CAST(SUM("t0"."loads") AS DECIMAL(18, 0)) AS BIGINT) AS "loads"
  FROM "all_counts" AS "t0"
  GROUP BY
    1
) AS "t1"
WHERE
  "t1"."loads" > 0
