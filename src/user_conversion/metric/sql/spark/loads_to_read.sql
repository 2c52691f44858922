SELECT
  `t4`.`initiator_id`,
  `t4`.`registered_at` AS `since`,
  COALESCE(`t4`.`known_at`, CAST('9999-12-31 00:00:00' AS TIMESTAMP)) AS `until`
FROM (
  SELECT
    `t2`.`initiator_id`,
    `t2`.`loads`,
    `t2`.`known_at`,
    `t3`.`attributes`,
    `t3`.`registered_at`,
    `t3`.`registration_week`,
    `t3`.`week_number`,
    `t3`.`next_week_starts_at`,
    `t3`.`next_week_ends_at`
  FROM `loads_before` AS `t2`
  INNER JOIN `earliest_registrations` AS `t3`
    ON `t2`.`initiator_id` = `t3`.`initiator_id`
) AS `t4`
WHERE
  `t4`.`loads` > 0
  AND `t4`.`registered_at` < COALESCE(`t4`.`known_at`, CAST('9999-12-31 00:00:00' AS TIMESTAMP))
