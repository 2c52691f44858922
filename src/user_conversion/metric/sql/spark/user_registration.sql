SELECT
  *
FROM (
  SELECT
    *
  FROM `added_registrations` AS `t0`
) AS `t2`
UNION ALL
SELECT
  *
FROM (
  SELECT
    `t1`.`registered_at` AS `time`,
    `t1`.`initiator_id`,
    `t1`.`attributes`
  FROM `known_users` AS `t1`
) AS `t3`
