SELECT
  `t3`.`initiator_id`,
  `t3`.`registered_at`,
  `t3`.`attributes`,
  `t3`.`first_loaded_at`,
  `t3`.`device_type`,
  `t3`.`week_offset`,
  `t3`.`loaded_next_week`,
  `t3`.`next_week_loaded_at`,
  `t3`.`loads_before_registration`,
  `t3`.`registration_week`
FROM `published_users` AS `t3`
LEFT SEMI JOIN (
  SELECT
    *
  FROM (
    SELECT
      `t1`.`initiator_id`
    FROM `added_registrations` AS `t1`
  ) AS `t4`
  UNION
  SELECT
    *
  FROM (
    SELECT
      `t2`.`initiator_id`
    FROM `added_loads` AS `t2`
  ) AS `t5`
) AS `t7`
  ON `t3`.`initiator_id` = `t7`.`initiator_id`
