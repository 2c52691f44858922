SELECT
  "t11"."initiator_id",
  "t11"."registered_at",
  "t11"."attributes",
  "t11"."first_loaded_at",
  "t11"."device_type",
  "t11"."week_offset",
  "t11"."loaded_next_week",
  "t11"."next_week_loaded_at",
  "t11"."loads_before_registration" + (
    COALESCE("t11"."known", 0) - COALESCE("t11"."gone", 0)
  ) AS "loads_before_registration",
  "t11"."registration_week"
FROM (
  SELECT
    "t10"."initiator_id",
    "t10"."registered_at",
    "t10"."attributes",
    "t10"."first_loaded_at",
    "t10"."device_type",
    "t10"."week_offset",
    "t10"."loaded_next_week",
    "t10"."next_week_loaded_at",
    "t10"."loads_before_registration",
    "t10"."registration_week",
    "t10"."known",
    "t6"."initiator_id" AS "initiator_id_right",
    "t6"."gone"
  FROM (
    SELECT
      "t8".*
      EXCLUDE ("initiator_id_right")
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
        "t3"."registration_week",
        "t7"."initiator_id" AS "initiator_id_right",
        "t7"."known"
      FROM "added_users" AS "t3"
      LEFT OUTER JOIN (
        SELECT
          "t2"."initiator_id",
          "t2"."loads" AS "known"
        FROM "loads_before" AS "t2"
      ) AS "t7"
        ON "t3"."initiator_id" = "t7"."initiator_id"
    ) AS "t8"
  ) AS "t10"
  LEFT OUTER JOIN (
    SELECT
      "t0"."initiator_id",
      COUNT(*) AS "gone"
    FROM "loads_again" AS "t0"
    GROUP BY
      1
  ) AS "t6"
    ON "t10"."initiator_id" = "t6"."initiator_id"
) AS "t11"
