SELECT
  *
FROM (
  SELECT
    "t3"."initiator_id",
    "t3"."registered_at",
    "t3"."attributes",
    "t3"."first_loaded_at",
    "t3"."device_type",
    "t3"."week_offset",
    "t3"."loaded_next_week",
    "t3"."next_week_loaded_at",
    "t3"."loads_before_registration",
    "t3"."registration_week"
  FROM "merged_users" AS "t3"
  SEMI JOIN "changed_weeks" AS "t6"
    ON "t3"."registration_week" = "t6"."registration_week"
) AS "t8"
UNION ALL
SELECT
  *
FROM (
  SELECT
    "t5"."initiator_id",
    "t5"."registered_at",
    "t5"."attributes",
    "t5"."first_loaded_at",
    "t5"."device_type",
    "t5"."week_offset",
    "t5"."loaded_next_week",
    "t5"."next_week_loaded_at",
    "t5"."loads_before_registration",
    "t5"."registration_week"
  FROM "stayed" AS "t5"
  ANTI JOIN "merged_users" AS "t4"
    ON "t5"."initiator_id" = "t4"."initiator_id"
) AS "t7"
