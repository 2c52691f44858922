SELECT
  "t1"."initiator_id",
  COALESCE("t4"."last_id", "t1"."user_id") AS "user_id"
FROM "links" AS "t1"
LEFT OUTER JOIN (
  SELECT
    "t2"."initiator_id" AS "user_id",
    "t2"."user_id" AS "last_id"
  FROM "links" AS "t2"
) AS "t4"
  ON "t1"."user_id" = "t4"."user_id"
