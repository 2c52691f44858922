SELECT
  `t7`.`registration_week`,
  `t7`.`day`,
  COUNT(*) AS `conversions`
FROM (
  SELECT
    `t6`.`initiator_id`,
    `t6`.`registered_at`,
    `t6`.`attributes`,
    `t6`.`first_loaded_at`,
    `t6`.`device_type`,
    `t6`.`week_offset`,
    `t6`.`loaded_next_week`,
    `t6`.`next_week_loaded_at`,
    `t6`.`loads_before_registration`,
    `t6`.`converted`,
    `t6`.`registration_week`,
    `t6`.`converted_at`,
    `t6`.`starts_at`,
    CAST(FLOOR(
      DATEDIFF(
        SECOND,
        DATE_TRUNC('second', `t6`.`starts_at`),
        DATE_TRUNC('second', `t6`.`converted_at`)
      ) / 86400
    ) AS BIGINT) AS `day`
  FROM (
    SELECT
      `t4`.`initiator_id`,
      `t4`.`registered_at`,
      `t4`.`attributes`,
      `t4`.`first_loaded_at`,
      `t4`.`device_type`,
      `t4`.`week_offset`,
      `t4`.`loaded_next_week`,
      `t4`.`next_week_loaded_at`,
      `t4`.`loads_before_registration`,
      `t4`.`converted`,
      `t4`.`registration_week`,
      `t4`.`converted_at`,
      `t5`.`starts_at`
    FROM (
      SELECT
        *
      FROM `user_conversion` AS `t0`
      WHERE
        `t0`.`converted`
    ) AS `t4`
    INNER JOIN (
      SELECT DISTINCT
        `t1`.`registration_week`,
        `t1`.`starts_at`
      FROM `calendar` AS `t1`
    ) AS `t5`
      ON `t4`.`registration_week` = `t5`.`registration_week`
  ) AS `t6`
) AS `t7`
GROUP BY
  1,
  2
