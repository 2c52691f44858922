SELECT
  `t0`.`initiator_id`,
  `t0`.`registered_at`,
  `t0`.`attributes`,
  `t0`.`first_loaded_at`,
  `t0`.`device_type`,
  `t0`.`week_offset`,
  `t0`.`loaded_next_week`,
  COALESCE(`t0`.`week_offset` = 1, FALSE) AS `converted`,
  `t0`.`registration_week`
FROM `registered_users` AS `t0`
