SELECT
  `t14`.`initiator_id`,
  `t14`.`registered_at`,
  `t14`.`attributes`,
  `t14`.`first_loaded_at`,
  `t14`.`device_type`,
  `t7`.`load_week_number` - `t14`.`week_number` AS `week_offset`,
  `t14`.`next_week_loaded_at` IS NOT NULL AS `loaded_next_week`,
  `t14`.`next_week_loaded_at`,
  COALESCE(`t14`.`loads_before_registration`, 0) AS `loads_before_registration`,
  `t14`.`registration_week`
FROM (
  SELECT
    `t12`.`initiator_id`,
    `t12`.`attributes`,
    `t12`.`registered_at`,
    `t12`.`registration_week`,
    `t12`.`week_number`,
    `t12`.`next_week_starts_at`,
    `t12`.`next_week_ends_at`,
    `t12`.`initiator_id_right`,
    `t12`.`first_load`,
    `t12`.`next_week_loaded_at`,
    `t12`.`loads_before_registration`,
    `t12`.`first_load`.`loaded_at` AS `first_loaded_at`,
    `t12`.`first_load`.`device_type` AS `device_type`
  FROM (
    SELECT
      `t3`.`initiator_id`,
      `t3`.`attributes`,
      `t3`.`registered_at`,
      `t3`.`registration_week`,
      `t3`.`week_number`,
      `t3`.`next_week_starts_at`,
      `t3`.`next_week_ends_at`,
      `t11`.`initiator_id` AS `initiator_id_right`,
      `t11`.`first_load`,
      `t11`.`next_week_loaded_at`,
      `t11`.`loads_before_registration`
    FROM `earliest_registrations` AS `t3`
    LEFT OUTER JOIN (
      SELECT
        `t9`.`initiator_id`,
        MIN(
          IF(
            `t9`.`loaded_at` >= `t9`.`registered_at`,
            STRUCT(
              `t9`.`loaded_at` AS `loaded_at`,
              `t9`.`device_type` IS NULL AS `without_device`,
              `t9`.`device_type` AS `device_type`
            ),
            NULL
          )
        ) AS `first_load`,
        MIN(
          IF(
            (
              `t9`.`loaded_at` >= `t9`.`next_week_starts_at`
            )
            AND (
              `t9`.`loaded_at` < `t9`.`next_week_ends_at`
            ),
            `t9`.`loaded_at`,
            NULL
          )
        ) AS `next_week_loaded_at`,
        SUM(CAST(NOT (
          `t9`.`loaded_at` >= `t9`.`registered_at`
        ) AS BIGINT)) AS `loads_before_registration`
      FROM (
        SELECT
          `t8`.`loaded_at`,
          `t8`.`initiator_id`,
          `t8`.`device_type`,
          `t4`.`attributes`,
          `t4`.`registered_at`,
          `t4`.`registration_week`,
          `t4`.`week_number`,
          `t4`.`next_week_starts_at`,
          `t4`.`next_week_ends_at`
        FROM (
          SELECT
            `t2`.`time` AS `loaded_at`,
            `t2`.`initiator_id`,
            `t2`.`device_type`
          FROM `app_loaded` AS `t2`
        ) AS `t8`
        INNER JOIN `earliest_registrations` AS `t4`
          ON `t8`.`initiator_id` = `t4`.`initiator_id`
      ) AS `t9`
      GROUP BY
        1
    ) AS `t11`
      ON `t3`.`initiator_id` = `t11`.`initiator_id`
  ) AS `t12`
) AS `t14`
LEFT OUTER JOIN (
  SELECT
    `t0`.`utc_day`,
    `t0`.`starts_at`,
    `t0`.`ends_at`,
    `t0`.`week_number` AS `load_week_number`
  FROM `calendar` AS `t0`
) AS `t7`
  ON CAST(`t14`.`first_loaded_at` AS DATE) = `t7`.`utc_day`
  AND `t14`.`first_loaded_at` >= `t7`.`starts_at`
  AND `t14`.`first_loaded_at` < `t7`.`ends_at`
