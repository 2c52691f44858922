SELECT
  `t4`.`registration_week`,
  IF(
    CAST(FLOOR(
      DATEDIFF(
        SECOND,
        DATE_TRUNC('second', `t4`.`registered_at`),
        DATE_TRUNC('second', `t4`.`first_loaded_at`)
      ) / 86400
    ) AS BIGINT) >= 28,
    28,
    CAST(FLOOR(
      DATEDIFF(
        SECOND,
        DATE_TRUNC('second', `t4`.`registered_at`),
        DATE_TRUNC('second', `t4`.`first_loaded_at`)
      ) / 86400
    ) AS BIGINT)
  ) AS `day`,
  IF(
    CAST(FLOOR(
      DATEDIFF(
        SECOND,
        DATE_TRUNC('second', `t4`.`registered_at`),
        DATE_TRUNC('second', `t4`.`until`)
      ) / 86400
    ) AS BIGINT) >= 28,
    28,
    CAST(FLOOR(
      DATEDIFF(
        SECOND,
        DATE_TRUNC('second', `t4`.`registered_at`),
        DATE_TRUNC('second', `t4`.`until`)
      ) / 86400
    ) AS BIGINT)
  ) AS `days_observed`,
  COUNT(*) AS `users`
FROM (
  SELECT
    `t2`.`initiator_id`,
    `t2`.`registered_at`,
    `t2`.`attributes`,
    `t2`.`first_loaded_at`,
    `t2`.`device_type`,
    `t2`.`week_offset`,
    `t2`.`loaded_next_week`,
    `t2`.`next_week_loaded_at`,
    `t2`.`loads_before_registration`,
    `t2`.`converted`,
    `t2`.`registration_week`,
    `t2`.`converted_at`,
    `t3`.`until`
  FROM `user_conversion` AS `t2`
  CROSS JOIN `observation` AS `t3`
) AS `t4`
GROUP BY
  1,
  2,
  3
