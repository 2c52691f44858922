SELECT
  "t1"."registration_week",
  "t1"."total_registered",
  "t1"."total_converted",
  CAST((
    (
      (
        "t1"."total_converted" * 200
      ) + "t1"."total_registered"
    ) - (
      (
        (
          "t1"."total_converted" * 200
        ) + "t1"."total_registered"
      ) % (
        "t1"."total_registered" * 2
      )
    )
  ) / (
    "t1"."total_registered" * 2
  ) AS BIGINT) AS "conversion_rate"
FROM (
  SELECT
    "t0"."registration_week",
    COUNT(*) AS "total_registered",
    COUNT(*) FILTER(WHERE
      "t0"."converted") AS "total_converted"
  FROM "user_conversion" AS "t0"
  GROUP BY
    1
) AS "t1"
