SELECT
  "t4"."registration_week",
  CASE
    WHEN CAST(FLOOR(
      DATE_DIFF(
        'SECOND',
        DATE_TRUNC('SECOND', "t4"."registered_at"),
        DATE_TRUNC('SECOND', "t4"."first_loaded_at")
      ) / 86400
    ) AS BIGINT) >= 28
    THEN 28
    ELSE CAST(FLOOR(
      DATE_DIFF(
        'SECOND',
        DATE_TRUNC('SECOND', "t4"."registered_at"),
        DATE_TRUNC('SECOND', "t4"."first_loaded_at")
      ) / 86400
    ) AS BIGINT)
  END AS "day",
  CASE
    WHEN CAST(FLOOR(
      DATE_DIFF(
        'SECOND',
        DATE_TRUNC('SECOND', "t4"."registered_at"),
        DATE_TRUNC('SECOND', "t4"."until")
      ) / 86400
    ) AS BIGINT) >= 28
    THEN 28
    ELSE CAST(FLOOR(
      DATE_DIFF(
        'SECOND',
        DATE_TRUNC('SECOND', "t4"."registered_at"),
        DATE_TRUNC('SECOND', "t4"."until")
      ) / 86400
    ) AS BIGINT)
  END AS "days_observed",
  COUNT(*) AS "users"
FROM (
  SELECT
    "t2"."initiator_id",
    "t2"."registered_at",
    "t2"."attributes",
    "t2"."first_loaded_at",
    "t2"."device_type",
    "t2"."week_offset",
    "t2"."loaded_next_week",
    "t2"."next_week_loaded_at",
    "t2"."loads_before_registration",
    "t2"."converted",
    "t2"."registration_week",
    "t2"."converted_at",
    "t3"."until"
  FROM "user_conversion" AS "t2"
  CROSS JOIN "observation" AS "t3"
) AS "t4"
GROUP BY
  1,
  2,
  3
