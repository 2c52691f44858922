SELECT
  "t1"."initiator_id",
  "t1"."user_id"
FROM "links" AS "t1"
ANTI JOIN (
  SELECT
    "t2"."initiator_id" AS "user_id"
  FROM "links" AS "t2"
) AS "t4"
  ON "t1"."user_id" = "t4"."user_id"
