SELECT
  *
FROM (
  SELECT
    *
  FROM (
    SELECT
      *
    FROM (
      SELECT
        *
      FROM "added_loads" AS "t0"
    ) AS "t3"
    UNION ALL
    SELECT
      *
    FROM (
      SELECT
        *
      FROM "loads_again" AS "t1"
    ) AS "t4"
  ) AS "t7"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t2"."first_loaded_at" AS "time",
        "t2"."initiator_id",
        "t2"."device_type"
      FROM "known_users" AS "t2"
    ) AS "t5"
    UNION ALL
    SELECT
      *
    FROM (
      SELECT
        "t2"."next_week_loaded_at" AS "time",
        "t2"."initiator_id",
        CAST(NULL AS TEXT) AS "device_type"
      FROM "known_users" AS "t2"
    ) AS "t6"
  ) AS "t8"
) AS "t9"
WHERE
  "t9"."time" IS NOT NULL
