SELECT
  COUNT(*) FILTER(WHERE
    "t6"."users" > 0) AS "ids",
  COUNT(*) FILTER(WHERE
    "t6"."users" > 1) AS "of_several_users",
  COUNT(*) FILTER(WHERE
    "t6"."same" > 0) AS "of_themselves"
FROM (
  SELECT
    "t5"."initiator_id",
    COUNT(DISTINCT COALESCE("t5"."last_id", "t5"."user_id")) FILTER(WHERE
      "t5"."initiator_id" <> "t5"."user_id") AS "users",
    COUNT(*) FILTER(WHERE
      NOT (
        "t5"."initiator_id" <> "t5"."user_id"
      )) AS "same"
  FROM (
    SELECT
      "t2"."time",
      "t2"."initiator_id",
      "t2"."user_id",
      "t4"."user_id" AS "user_id_right",
      "t4"."last_id"
    FROM "user_identity" AS "t2"
    LEFT OUTER JOIN (
      SELECT
        "t1"."initiator_id" AS "user_id",
        "t1"."user_id" AS "last_id"
      FROM "identities" AS "t1"
    ) AS "t4"
      ON "t2"."user_id" = "t4"."user_id"
  ) AS "t5"
  GROUP BY
    1
) AS "t6"
