SELECT
  `t0`.`initiator_id`,
  `t0`.`registered_at`,
  `t0`.`attributes`,
  `t0`.`first_loaded_at`,
  `t0`.`device_type`,
  `t0`.`week_offset`,
  `t0`.`loaded_next_week`,
  `t0`.`next_week_loaded_at`,
  `t0`.`loads_before_registration`,
  COALESCE(
    (
      `t0`.`first_loaded_at` >= (
        `t0`.`registered_at` + INTERVAL '24' HOUR
      )
    )
    AND NOT (
      `t0`.`first_loaded_at` >= (
        `t0`.`registered_at` + INTERVAL '168' HOUR
      )
    ),
    FALSE
  ) AS `converted`,
  IF(
    COALESCE(
      (
        `t0`.`first_loaded_at` >= (
          `t0`.`registered_at` + INTERVAL '24' HOUR
        )
      )
      AND NOT (
        `t0`.`first_loaded_at` >= (
          `t0`.`registered_at` + INTERVAL '168' HOUR
        )
      ),
      FALSE
    ),
    `t0`.`first_loaded_at`,
    NULL
  ) AS `converted_at`,
  `t0`.`registration_week`
FROM `registered_users` AS `t0`
